// Shows the doors above the slider, and offers the JSON of these alone.
window.doorsShow = (least) => {
  const root = document.querySelector(".doors-result");
  if (!root) return;
  const result = JSON.parse(root.dataset.result);
  for (const one of root.querySelectorAll("[data-confidence]")) {
    one.style.display = Number(one.dataset.confidence) > least ? "" : "none";
  }
  const detections = result.detections.filter((one) => one.confidence > least);
  const number = detections.length;
  root.querySelector(".doors-summary").textContent =
    number === 0 ? "no door" : number === 1 ? "1 door" : `${number} doors`;
  const link = root.querySelector(".doors-download");
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  const model = { ...result.model, conf_threshold: least };
  const text = JSON.stringify({ ...result, detections, model }, null, 2);
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
};
