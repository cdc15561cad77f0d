// Enhancements: every page works without JavaScript. This script sends no requests.
"use strict";

// Tick the password rules while the user types, and announce the number left to screen readers.
for (const list of document.querySelectorAll("[data-rules-for]")) {
  const input = document.getElementById(list.dataset.rulesFor);
  const status = document.querySelector(`[data-rules-left="${list.dataset.rulesFor}"]`);
  const rules = [...list.children].map((item) => [item, new RegExp(item.dataset.pattern, "u")]);
  let previous = rules.length;
  const update = () => {
    let left = 0;
    for (const [item, pattern] of rules) {
      const met = input.value !== "" && pattern.test(input.value);
      item.classList.toggle("met", met);
      left += met ? 0 : 1;
    }
    if (left !== previous) {
      status.textContent = left ? `${left} of ${rules.length} rules left` : "The password meets all rules";
      previous = left;
    }
  };
  input.addEventListener("input", update);
}

// Add a button that shows the password.
for (const input of document.querySelectorAll('input[type="password"]')) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "reveal";
  button.setAttribute("aria-controls", input.id);
  const verb = document.createElement("span");
  const noun = document.createElement("span");
  noun.className = "hidden";
  noun.textContent = " password";
  button.append(verb, noun);
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    verb.textContent = shown ? "Hide" : "Show";
  };
  show(false);
  button.addEventListener("click", () => show(input.type === "password"));
  // Browsers remember the values of text fields; they must not remember this one.
  input.form.addEventListener("submit", () => show(false));
  input.parentElement.append(button);
}

// Send a form once. The server handles a second click too; this shows that the first one had an effect.
for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    form.setAttribute("aria-busy", "true");
    event.submitter?.classList.add("working");
  });
}

// After going back, the browser may show this page as it was left.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
    form.querySelector(".working")?.classList.remove("working");
  }
});

// Some browsers ignore autofocus on elements that are not form fields.
document.querySelector("[autofocus]")?.focus();
