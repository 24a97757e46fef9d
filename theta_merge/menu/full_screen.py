"""The full-screen menu on a real terminal: keys in, screens out. :mod:`theta_merge.menu.screen` is what it shows."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import TYPE_CHECKING

from prompt_toolkit.application import Application
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.input.vt100 import Vt100Input
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.key_binding import KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import FormattedTextControl
from prompt_toolkit.layout import Layout
from prompt_toolkit.layout import Window
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.styles import Style

from strategies.contract import MergeError
from theta_merge.menu.background import Background
from theta_merge.menu.preview import Preview
from theta_merge.menu.preview import Tell
from theta_merge.menu.screen import Mode
from theta_merge.menu.screen import Screen
from theta_merge.menu.screen_text import text
from theta_merge.menu.session import Session
from theta_merge.recipe import save

if TYPE_CHECKING:
    from theta_merge.menu.terminal import Terminal

_STYLE = Style.from_dict(
    {
        "title": "bold reverse",
        "selected": "reverse",
        "settled": "ansigreen",
        "dim": "ansibrightblack",
        "input": "bold",
        "message": "bold",
        "keys": "",
    }
)
_PREVIEW = ((Mode.CHOOSE, "p"), (Mode.OPTIONS, "c-i"))
_TYPING = (Mode.FILTER, Mode.OPTIONS, Mode.SAVE)


class FullMenu:
    """One use of the menu."""

    def __init__(self, screen: Screen, preview: Preview, terminal: Terminal, environment: Mapping[str, str]) -> None:
        self.screen = screen
        self._preview = preview
        self._terminal = terminal
        self._environment = environment
        self._background = Background()

    @property
    def session(self) -> Session:
        """What was chosen so far."""
        return self.screen.session

    def run(self) -> Session:
        """Show the menu until the user ends it; the session as it is then."""
        output = Vt100_Output.from_pty(self._terminal.output, term=self._environment.get("TERM"))
        application: Application[None] = Application(
            layout=Layout(Window(FormattedTextControl(lambda: self._shown(application)))),
            key_bindings=self._keys(),
            style=_STYLE,
            full_screen=True,
            input=Vt100Input(self._terminal.input),
            output=output,
            color_depth=ColorDepth.DEPTH_1_BIT if self._environment.get("NO_COLOR") else None,
        )
        application.ttimeoutlen = 0.05
        application.run(handle_sigint=False)
        self._background.stop()
        return self.session

    def _shown(self, application: Application[None]) -> StyleAndTextTuples:
        size = application.output.get_size()
        lines = text(self.screen, size.columns, size.rows)
        pieces: StyleAndTextTuples = []
        for line in lines:
            pieces.extend([*line, ("", "\n")])
        return pieces[:-1]

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add(Keys.Any)
        def _(event: KeyPressEvent) -> None:
            self._pressed(event)

        @keys.add("c-z", eager=True)
        def _(event: KeyPressEvent) -> None:
            event.app.suspend_to_background()

        @keys.add("c-c", eager=True)
        def _(event: KeyPressEvent) -> None:
            event.app.exit()

        return keys

    def _pressed(self, event: KeyPressEvent) -> None:
        press = event.key_sequence[0]
        key = press.key.value if isinstance(press.key, Keys) else press.key
        try:
            if self.screen.mode is Mode.BROWSE and key == "q":
                event.app.exit()
            elif (self.screen.mode, key) in _PREVIEW:
                self._start_preview(event.app)
            else:
                self.screen = after(self.screen, key, press.data)
                if self.screen.mode not in (Mode.CHOOSE, Mode.OPTIONS):
                    self._background.stop()
        except (MergeError, OSError) as error:
            self.screen = self.screen.told(str(error))

    def _start_preview(self, application: Application[None]) -> None:
        """Compute what the picked strategy gives for the first target."""
        target, one = self.screen.targets[0], self.screen.choice()

        def work(tell: Tell) -> str:
            told = self._preview(target, one, lambda text: tell(f"{target.name} by {one}: {text}  (Esc stops it)"))
            return f"{target.name} by {one}: {told}"

        def show(text: str) -> None:
            self.screen = self.screen.told(text)
            application.invalidate()

        self._background.start(work, show)


def after(screen: Screen, key: str, data: str) -> Screen:
    """The screen after a key; raises :class:`MergeError` for what cannot be done."""
    if screen.mode is Mode.HELP:
        return _moves(screen).get(key, lambda: screen.in_mode(Mode.BROWSE))()
    if screen.mode in _TYPING:
        return _typed(screen, key, data)
    if screen.mode is Mode.CHOOSE:
        return _choosing(screen, key)
    return _browsing(screen, key)


def _browsing(screen: Screen, key: str) -> Screen:
    actions: dict[str, Callable[[], Screen]] = {
        **_moves(screen),
        "left": lambda: screen.with_folded(True),
        "right": lambda: screen.with_folded(False),
        "c-m": lambda: screen.choosing(everything=False),
        "a": lambda: screen.choosing(everything=True),
        "/": lambda: screen.in_mode(Mode.FILTER, screen.pattern),
        "k": screen.with_kind,
        "o": screen.reopened,
        "u": screen.undone,
        "r": screen.redone,
        "w": lambda: screen.in_mode(Mode.SAVE),
        "?": lambda: screen.in_mode(Mode.HELP),
        "escape": lambda: screen.in_mode(Mode.FILTER).typed("").in_mode(Mode.BROWSE),
    }
    return actions.get(key, lambda: screen)()


def _choosing(screen: Screen, key: str) -> Screen:
    actions: dict[str, Callable[[], Screen]] = {
        **_moves(screen),
        "c-m": screen.chosen,
        "e": lambda: screen.in_mode(Mode.OPTIONS),
        "escape": lambda: screen.in_mode(Mode.BROWSE),
    }
    return actions.get(key, lambda: screen)()


def _moves(screen: Screen) -> dict[str, Callable[[], Screen]]:
    steps = {"up": -1, "down": 1, "pageup": -10, "pagedown": 10, "home": -(10**6), "end": 10**6}
    return {key: lambda step=step: screen.moved(step) for key, step in steps.items()}  # type: ignore[misc]


def _typed(screen: Screen, key: str, data: str) -> Screen:
    if key in _moves(screen):
        return _moves(screen)[key]()
    if key == "escape":
        return screen.typed("").in_mode(Mode.CHOOSE if screen.mode is Mode.OPTIONS else Mode.BROWSE)
    if key == "c-m":
        return _entered(screen)
    if key in ("c-h", "backspace"):
        return screen.typed(screen.text[:-1])
    if key == "c-u":
        return screen.typed("")
    if key == "c-w":
        return screen.typed(screen.text.rstrip().rpartition(" ")[0])
    if key == Keys.BracketedPaste.value:
        data = "".join(filter(str.isprintable, data))
    return screen.typed(screen.text + data) if data.isprintable() else screen


def _entered(screen: Screen) -> Screen:
    if screen.mode is Mode.OPTIONS:
        return screen.chosen()
    if screen.mode is Mode.SAVE:
        save(screen.session.recipe(), screen.text)
        return screen.in_mode(Mode.BROWSE).told(f"wrote {screen.text}")
    return screen.in_mode(Mode.BROWSE)
