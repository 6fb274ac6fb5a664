// What the pages of plans and laws have in common: an answer of `browser` is the report of a tool, or its complaint.

// A row of a table for a complaint about the row above it.
const complaint = document.createElement("tr");
complaint.className = "complaint";
complaint.insertCell().colSpan = 99;

// Shows an answer in a form. A complaint stands beside the field that `find` returns for it, and what was shown last
// stays; otherwise the report is returned.
function show(form, answer, find) {
    const { Ok: report, Err: problem } = JSON.parse(answer);
    // Looked for once: a form may have thousands of fields.
    const parts = (form.parts ??= Object.fromEntries(
        ["problem", "summary", "picture", "json", "heard"].map((name) => [name, form.querySelector(`.${name}`)]),
    ));
    parts.field?.removeAttribute("aria-invalid");
    parts.field?.removeAttribute("aria-describedby");
    complaint.remove();
    form.classList.toggle("stale", Boolean(problem));
    parts.problem.hidden = !problem;
    if (problem) {
        const field = (parts.field = find(problem));
        const line = field.tagName === "TEXTAREA" && problem.line ? form.dataset.line.replace("{}", problem.line) : "";
        parts.problem.textContent = line + problem.what;
        const row = field.closest("tr");
        if (row) complaint.cells[0].append(parts.problem);
        (row ?? field.closest("label")).after(row ? complaint : parts.problem);
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", parts.problem.id);
    } else {
        parts.summary.textContent = report.summary;
        parts.picture.innerHTML = report.svg;
        parts.json.textContent = report.json;
    }
    // A screen reader hears what is new there.
    parts.heard.textContent = problem ? parts.problem.textContent : report.summary;
    return report;
}
