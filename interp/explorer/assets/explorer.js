// What only the browser can do: pictures of figures, playing the steps, keyboard shortcuts, and what screens read aloud.
(function () {
  "use strict";
  const nothing = () => window.dash_clientside.no_update;
  const typing = (element) => element.closest("input, textarea, select, [contenteditable], [role=combobox], .ag-root");
  const keys = { k: "keep", u: "undo", n: "next", b: "before" };

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    explorer: {
      picture: function () {
        const { triggered, triggered_id: cause } = window.dash_clientside.callback_context;
        if (cause && triggered.some((one) => one.value)) {
          const drawn = document.getElementById(cause.save).querySelector(".js-plotly-plot");
          window.Plotly.downloadImage(drawn, { format: cause.format, filename: cause.save, scale: 2 });
        }
        return nothing();
      },
      needless: function (mode, scaling) {
        return !scaling.includes(mode); // other modes have no factor
      },
      play: function (clicks, stopped) {
        return [!stopped, stopped ? "Pause" : "Play"];
      },
      advance: function (ticks, step, last) {
        return step >= last ? 0 : step + 1;
      },
    },
  });

  // The table's colours follow the reader's light or dark setting, as the page's do.
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colour = () => { document.documentElement.dataset.agThemeMode = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", colour);
  colour();

  // Dash draws sliders and menus without a name or out of the keyboard's reach; both are given here.
  const name = () => {
    for (const thumb of document.querySelectorAll("[role=slider]:not([aria-label])"))
      thumb.setAttribute("aria-label", thumb.closest("[role=group]")?.getAttribute("aria-label") ?? "value");
    for (const input of document.querySelectorAll(".dash-range-slider-input:not([aria-label])"))
      input.setAttribute("aria-label", input.closest("[role=group]")?.getAttribute("aria-label") ?? "value");
    for (const menu of document.querySelectorAll("button.dash-dropdown[tabindex='-1']")) menu.tabIndex = 0;
  };
  new MutationObserver(name).observe(document.documentElement, { childList: true, subtree: true });

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const button = document.getElementById(keys[event.key.toLowerCase()] || "");
    if (button) {
      button.click();
      event.preventDefault();
    }
  });
})();
