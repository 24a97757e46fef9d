"""The style and the script of the HTML page; both are part of the page, which loads nothing."""

STYLE = """
:root { color-scheme: light dark; --fg: #1f2328; --bg: #ffffff; --soft: #f3f4f6; --line: #d0d7de; --dim: #57606a;
  --old: #a65200; --new: #0969da; --added: #1a7f37; --removed: #cf222e; --changed: #7d4e00; --heat: 9, 105, 218; }
@media (prefers-color-scheme: dark) { :root { --fg: #e6edf3; --bg: #0d1117; --soft: #161b22; --line: #30363d;
  --dim: #8b949e; --old: #f0883e; --new: #58a6ff; --added: #3fb950; --removed: #f85149; --changed: #d29922;
  --heat: 88, 166, 255; } }
body { color: var(--fg); background: var(--bg); font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto;
  max-width: 84rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; border-bottom: 1px solid var(--line); }
code, .name, td, th { font-family: ui-monospace, monospace; font-size: 12.5px; }
input { font: inherit; color: inherit; background: var(--soft); border: 1px solid var(--line); border-radius: 6px;
  padding: .35rem .6rem; width: min(30rem, 100%); position: sticky; top: .5rem; }
.module { font-family: ui-monospace, monospace; font-size: 12.5px; color: var(--dim); padding: .15rem 0; }
details.row > summary { display: grid; grid-template-columns: 1rem 4.6rem minmax(8rem, 22rem) 7rem 5rem 1fr;
  column-gap: .7rem; align-items: baseline; padding: .15rem .3rem; cursor: pointer; }
@media (max-width: 64rem) { details.row > summary { display: flex; flex-wrap: wrap; } }
.name, code { overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; column-gap: .8rem; font-size: 12.5px; }
details.row > summary::before { content: "▸"; color: var(--dim); } details.row[open] > summary::before { content: "▾"; }
details.row > summary:hover { background: var(--soft); }
details.row[open] > summary { font-weight: 600; }
.added .sign { color: var(--added); } .removed .sign { color: var(--removed); }
.modified .sign, .renamed .sign { color: var(--changed); }
.dim { color: var(--dim); white-space: nowrap; } .alarm { color: var(--removed); font-weight: 600; }
.bar { display: inline-block; width: 5rem; height: .6rem; border: 1px solid var(--line); align-self: start;
  margin-top: .35rem; }
.bar i { display: block; height: 100%; background: rgb(var(--heat)); }
.entry { margin: .3rem 0 1rem 1.5rem; } .charts { display: flex; gap: 1rem; flex-wrap: wrap; }
table { border-collapse: collapse; } td, th { border: 1px solid var(--line); padding: .1rem .4rem; text-align: right;
  white-space: nowrap; }
th { text-align: left; font-weight: normal; } .scroll { overflow-x: auto; margin: 1rem 0; }
svg { background: var(--soft); border-radius: 4px; } figure { margin: 0; } figcaption { color: var(--dim); }
polyline { fill: none; stroke-width: 1.5; } .old { stroke: var(--old); } .new { stroke: var(--new); }
.delta { stroke: var(--fg); } .key-old { color: var(--old); } .key-new { color: var(--new); }
"""

SCRIPT = """
const search = document.getElementById("search");
search.addEventListener("input", () => {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  for (const row of document.querySelectorAll("details.row")) {
    const text = row.dataset.text.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  for (const module of document.querySelectorAll(".module")) module.hidden = words.length > 0;
});
"""
