// What JavaScript adds; without it every page works. It sends nothing and asks nobody.
"use strict";

// Hints for the new password tick while it is typed. The number of those left is said to screen readers.
for (const list of document.querySelectorAll("[data-rules-for]")) {
  const input = document.getElementById(list.dataset.rulesFor);
  const said = document.querySelector(`[data-rules-left="${list.dataset.rulesFor}"]`);
  const rules = [...list.children].map((item) => [item, new RegExp(item.dataset.pattern, "u")]);
  const tick = () => {
    let left = 0;
    for (const [item, pattern] of rules) {
      const met = pattern.test(input.value);
      item.classList.toggle("met", met);
      left += met ? 0 : 1;
    }
    return left;
  };
  let before = tick();
  input.addEventListener("input", () => {
    const left = tick();
    if (left !== before) {
      said.textContent = left ? `${left} of ${rules.length} rules left` : "The password keeps all rules";
      before = left;
    }
  });
}

// A button shows what was typed as a password.
for (const input of document.querySelectorAll('input[type="password"]')) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "reveal";
  button.setAttribute("aria-controls", input.id);
  const word = document.createElement("span");
  const rest = document.createElement("span");
  rest.className = "hidden";
  rest.textContent = " password";
  button.append(word, rest);
  const show = (shown) => {
    input.type = shown ? "text" : "password";
    word.textContent = shown ? "Hide" : "Show";
  };
  show(false);
  button.addEventListener("click", () => show(input.type === "password"));
  // Browsers remember what is sent from a text field, and must not remember this.
  input.form.addEventListener("submit", () => show(false));
  input.parentElement.append(button);
}

// A form that was sent is not sent again. The server would not mind; the visitor sees that something happens.
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

// Back from the next page, the browser may show this one as it was left.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    form.removeAttribute("aria-busy");
    form.querySelector(".working")?.classList.remove("working");
  }
});

// The focus is on what the page has to say, also where the browser does not know autofocus on it.
document.getElementById("note")?.focus();
