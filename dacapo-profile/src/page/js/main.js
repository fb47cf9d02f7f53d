// Puts the page together.

readColours();
header();

let views = [];
const redraw = () => { for (const view of views) view?.redraw(); };
const whenLine = timeline(redraw);

function showSection(section) {
  summary(section);
  views = [whenLine, waveSection(section)];
  roofline(section);
  tables(section);
}

const choice = sectionChoice(showSection);
if (choice) document.getElementById("summary-title").after(choice);
showSection(sections[0] ?? analysis.all);

scheme.addEventListener("change", () => {
  readColours();
  redraw();
  const chosen = document.getElementById("label")?.value ?? "0";
  roofline(chosen === "all" ? analysis.all : sections[Number(chosen)] ?? analysis.all);
});
