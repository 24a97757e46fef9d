"""One module per verb: ``configure(parser)`` declares its arguments, ``run(args)`` returns its exit code."""
