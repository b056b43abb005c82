// Runs before anything is painted, so that a page in the dark never flashes white.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("songloom.theme");
  } catch {
    // Storage is closed to the page: the system's colours it is.
  }
  if (chosen === "light" || chosen === "dark") {
    document.documentElement.dataset.theme = chosen;
  }
})();
