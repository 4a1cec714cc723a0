// Draws a study's figure when it comes near the screen; the library is loaded for the first one.
(() => {
  const base = document.currentScript.src.replace(/[^/]*$/, "");
  let library;
  const load = () => library ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${base}plotly.min.js`;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  const draw = async (box) => {
    const figure = JSON.parse(box.querySelector("script").textContent);
    await load();
    await Plotly.newPlot(box.querySelector("div"), figure.data, figure.layout, figure.config);
    box.dataset.drawn = "yes";
  };
  addEventListener("DOMContentLoaded", () => {
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries.filter((entry) => entry.isIntersecting)) {
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    }, {rootMargin: "600px"});
    document.querySelectorAll(".study-figure").forEach((box) => watcher.observe(box));
  });
})();
