/// The page's looks: light and dark, for a telephone and a desk.
enum PageStyle {
  static let css = """

    :root {
      color-scheme: light dark;
      --text: #1c2420; --quiet: #5b6660; --back: #fcfcfa; --card: #f2f3ef; --edge: #d9ddd6;
      --ours: #1f7a4d; --bar: #9aa8b5;
    }
    @media (prefers-color-scheme: dark) {
      :root {
        --text: #e6ebe7; --quiet: #9aa69f; --back: #141816; --card: #1d2320; --edge: #333c37;
        --ours: #4cc38a; --bar: #627281;
      }
    }
    body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
    main { max-width: 76rem; margin: 0 auto; padding: 1rem; }
    h1 { font-size: 1.6rem; line-height: 1.2; }
    h2 { font-size: 1.2rem; margin: 2rem 0 .25rem; }
    p, li { overflow-wrap: anywhere; max-width: 46rem; }
    .plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
    figure { margin: 0; padding: .75rem; background: var(--card); border: 1px solid var(--edge); border-radius: .5rem; }
    figcaption { font-weight: 600; margin-bottom: .5rem; }
    svg { display: block; width: 100%; height: auto; overflow: visible; }
    svg text { font: 12px system-ui, sans-serif; fill: var(--text); }
    svg text.value { fill: var(--quiet); }
    svg text.ours { font-weight: 600; }
    svg text.key { font-weight: 600; fill: var(--bar); }
    svg text.key.ours { fill: var(--ours); }
    .bar, .dot { fill: var(--bar); }
    .bar.ours, .dot.ours { fill: var(--ours); }
    .line, .range { fill: none; stroke: var(--bar); stroke-width: 2; }
    .line.ours, .range.ours { stroke: var(--ours); }
    .grid { stroke: var(--edge); stroke-width: 1; }
    .table { overflow-x: auto; margin: .75rem 0; }
    table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
    th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--edge); text-align: right; vertical-align: bottom; }
    td { white-space: nowrap; }
    thead th { font-weight: 600; color: var(--quiet); }
    th:first-child {
      text-align: left; position: sticky; left: 0; background: var(--back);
      min-width: min(16rem, 30vw); max-width: min(16rem, 35vw);
    }
    summary { cursor: pointer; margin-top: .75rem; }

    """
}
