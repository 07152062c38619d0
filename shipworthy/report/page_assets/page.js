"use strict";
// Filters by outcome (the counts) and by host and subject (the matrix), and the keyboard. pytest-html draws its table
// anew whenever a row is opened or a column is sorted; the filters are applied again each time.
document.addEventListener("DOMContentLoaded", () => {
  const page = document.getElementById("sw");
  const showing = document.getElementById("showing");
  const counts = [...page.querySelectorAll(".count[aria-pressed]")];
  const wanted = { host: null, subject: null };
  if (!counts.some((count) => count.getAttribute("aria-pressed") === "true")) {
    counts.forEach((count) => count.setAttribute("aria-pressed", "true"));
  }

  const matches = (about, outcomes) =>
    outcomes.has(about.outcome) &&
    (wanted.host === null || about.hosts.split(" ").includes(wanted.host)) &&
    (wanted.subject === null || about.subjects.split(" ").includes(wanted.subject));

  const openWithKeys = (body) => {
    const handle = body.querySelector(".col-outcome");
    handle.tabIndex = 0;
    handle.setAttribute("role", "button");
    handle.setAttribute("aria-expanded", String(!body.querySelector(".extras-row").classList.contains("hidden")));
  };

  const tell = (shown, all) => {
    if (!showing) return;
    const host = wanted.host === null ? null : page.querySelector(`th button[data-host="${wanted.host}"]`).textContent;
    const filter = [host, wanted.subject].filter((part) => part !== null).join(" · ");
    showing.textContent = `${shown} of ${all} shown${filter ? ` for ${filter}` : ""}`;
    if (filter) {
      const clear = document.createElement("button");
      clear.type = "button";
      clear.className = "clear";
      clear.textContent = "show all";
      showing.append(" ", clear);
    }
  };

  const apply = () => {
    const outcomes = new Set(
      counts.filter((count) => count.getAttribute("aria-pressed") === "true").map((count) => count.dataset.outcome));
    let shown = 0;
    let all = 0;
    document.querySelectorAll("#results-table > tbody").forEach((body) => {
      const about = body.querySelector(".col-testId");
      if (!about) return;
      all += 1;
      body.hidden = !matches(about.dataset, outcomes);
      shown += body.hidden ? 0 : 1;
      openWithKeys(body);
    });
    page.querySelectorAll(".matrix button").forEach((button) => {
      const { host = null, subject = null } = button.dataset;
      const chosen = (host !== null || subject !== null) && host === wanted.host && subject === wanted.subject;
      button.classList.toggle("chosen", chosen);
    });
    tell(shown, all);
  };

  const choose = (host, subject) => {
    const again = host === wanted.host && subject === wanted.subject;
    wanted.host = again ? null : host;
    wanted.subject = again ? null : subject;
    apply();
    if (!again) document.getElementById("found").scrollIntoView({ behavior: "smooth", block: "start" });
  };

  page.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.matches(".clear")) return choose(wanted.host, wanted.subject);
    if (button.matches(".count")) {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      return apply();
    }
    choose(button.dataset.host ?? null, button.dataset.subject ?? null);
  });

  document.addEventListener("keydown", (event) => {
    if (event.target.matches?.(".col-outcome") && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      const { id } = event.target.parentElement.dataset;
      event.target.click();
      document.querySelector(`tr[data-id="${id}"] .col-outcome`)?.focus();
    }
  });

  new MutationObserver(apply).observe(document.body, { childList: true });
  apply();
});
