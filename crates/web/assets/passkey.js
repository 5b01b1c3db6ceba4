// Passkeys: asks the browser what the page says, and sends its answer with the form. What decides is on the server. Its
// words stand in front of console.js, which comes first.
"use strict";

const hasPasskeys = window.PublicKeyCredential?.parseRequestOptionsFromJSON !== undefined
  && window.PublicKeyCredential.parseCreationOptionsFromJSON !== undefined;

/** What the browser is to be asked: it stands in the page, or the server says it when it is needed. */
async function options(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.dataset.from, { method: "POST" });
  if (answer.status === 429) throw new Error(WORDS.tooMany);
  if (!answer.ok) throw new Error(WORDS.passkeysUnavailable);
  const asked = await answer.json();
  form.elements.challenge.value = asked.challenge;
  return asked.options;
}

async function ask(form) {
  const asked = await options(form);
  if (form.dataset.passkey === "create") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(asked);
    return navigator.credentials.create({ publicKey });
  }
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) });
}

for (const form of hasPasskeys ? document.querySelectorAll("form.passkey") : []) {
  const [alert, button] = [form.querySelector("[role=alert]"), form.querySelector("button")];
  form.querySelector(".without").hidden = true;
  button.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    alert.hidden = true;
    button.disabled = true;
    try {
      const credential = await ask(form);
      form.elements.code.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch (error) {
      const other = error instanceof DOMException || error instanceof TypeError;
      alert.textContent = WORDS[error.name] ?? (other ? WORDS.passkeyFailed : error.message);
      alert.hidden = false;
      button.disabled = false;
    }
  });
}
