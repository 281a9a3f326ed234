"""How a report page looks: light and dark, phone and desktop, screen and paper."""

from __future__ import annotations

CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --muted: #5b6570; --rule: #dfe3e8; --paper: #fff; --wash: #f5f7f9;
  --accent: #0072b2; --good: #00734f; --bad: #b64700;
  --text: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  --title: Charter, "Bitstream Charter", "Sitka Text", Cambria, "Liberation Serif", Georgia, serif; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaee; --muted: #a0a9b4; --rule: #343b44; --paper: #14171b;
  --wash: #1d2127; --accent: #58b4ea; --good: #4cc79a; --bad: #f0955a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.6 var(--text); }
main { max-width: 980px; margin: 0 auto; padding: 56px 24px 72px; counter-reset: section; }
header { border-bottom: 2px solid var(--ink); padding-bottom: 18px; }
h1 { font: 600 38px/1.15 var(--title); letter-spacing: -0.01em; margin: 0; text-wrap: balance; }
.subtitle { color: var(--muted); margin: 8px 0 0; max-width: 70ch; }
.verdict { font: 400 23px/1.4 var(--title); margin: 28px 0; padding-left: 18px; max-width: 52ch;
  border-left: 4px solid var(--muted); text-wrap: pretty; }
.verdict.good { border-color: var(--good); }
.verdict.bad { border-color: var(--bad); }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); gap: 0 28px; margin: 28px 0;
  border-bottom: 1px solid var(--rule); }
.numbers > div { border-top: 1px solid var(--rule); padding: 13px 0 14px; }
.numbers dt { color: var(--muted); font-size: 13px; line-height: 1.35; }
.numbers dd { margin: 0; }
.numbers .value { font-size: 17px; line-height: 1.35; white-space: nowrap; font-variant-numeric: tabular-nums; }
.numbers .value strong { font-size: 30px; font-weight: 650; letter-spacing: -0.02em; }
.numbers .value.good strong { color: var(--good); }
.numbers .value.bad strong { color: var(--bad); }
.numbers .before, .numbers .unit { color: var(--muted); }
.numbers .note { color: var(--muted); font-size: 13px; line-height: 1.35; }
section { margin-top: 52px; counter-increment: section; }
h2 { font: 600 24px/1.25 var(--title); margin: 0 0 14px; }
h2::before { content: counter(section); color: var(--muted); font-weight: 400; margin-right: 0.6em; }
p { margin: 0 0 14px; max-width: 70ch; }
.muted { color: var(--muted); }
code { font: 0.88em/1 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; background: var(--wash);
  padding: 0.15em 0.35em; border-radius: 3px; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: 60%; font-size: 15px; line-height: 1.35; }
.table figcaption { margin: 0 0 8px; }
.table .scroll { margin: 0; }
thead th { font-weight: 600; font-size: 13px; vertical-align: bottom; border-bottom: 1.5px solid var(--ink); }
th small { color: var(--muted); font-weight: 400; font-size: 1em; }
th, td { padding: 8px 0 8px 28px; text-align: left; border-bottom: 1px solid var(--rule); }
th:first-child, td:first-child { padding-left: 0; }
tbody th { font-weight: 400; min-width: 9em; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
figure { margin: 24px 0 32px; }
.card { background: #fff; border: 1px solid var(--rule); border-radius: 6px; padding: 14px; overflow-x: auto; }
.card img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { color: var(--muted); font-size: 14px; line-height: 1.45; margin-top: 10px; max-width: 80ch; }
footer { margin-top: 64px; padding-top: 14px; border-top: 1px solid var(--rule); color: var(--muted); font-size: 13px; }
@media (max-width: 700px) { body { font-size: 16px; } main { padding: 28px 16px 48px; } h1 { font-size: 29px; }
  .verdict { font-size: 20px; padding-left: 14px; } .numbers { grid-template-columns: repeat(2, 1fr); }
  .numbers .value strong { font-size: 25px; } .numbers { gap: 0 16px; }
  .card { padding: 8px; } .card img { max-width: none; width: max(100%, 680px); }
  th, td { padding-left: 18px; } table { min-width: 100%; } }
@media print { :root { --ink: #000; --muted: #444; --rule: #bbb; --paper: #fff; --wash: #f3f3f3; --good: #00734f;
  --bad: #b64700; color-scheme: light; } body { font-size: 11pt; } main { max-width: none; padding: 0; }
  section { margin-top: 28pt; } h2 { break-after: avoid; } figure, tr, .numbers { break-inside: avoid; }
  .card { border: 0; padding: 0; } }
"""
