// A person who signs up and proves who they are, as scenarios need it: codes out of the Outbox, an authenticator app of our
// own (RFC 6238), and an authenticator that keeps passkeys (Chromium's virtual one).

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";

/** What everybody here signs in with. */
export const PASSWORD = "otter battery lamp canyon";
let number = 0;
/** An address that nobody had before. */
export const fresh = (name) => `${name}${(number += 1)}.${Date.now()}@people.example`;

/** The code of so many digits in the newest letter to somebody. */
export async function codeTo({ keymint }, recipient, digits) {
  const page = await (await fetch(`${keymint.console}/outbox`)).text();
  const letter = page.split("<article").find((part) => part.includes(`<strong>${recipient}</strong>`));
  assert.ok(letter, `a letter to ${recipient}`);
  return letter.match(new RegExp(`(?<!\\d)\\d{${digits}}(?!\\d)`, "g")).at(-1);
}

/** The code that an authenticator app shows, `steps` of 30 seconds from now. */
export function totp(secret, steps = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replaceAll(" ", "")].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2)));
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const tag = createHmac("sha1", key).update(message).digest();
  const code = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
  return String(code % 1_000_000).padStart(6, "0");
}

/** Signs up with a business; gives the merchant's id. */
export async function signUp(visitor, email) {
  await visitor.goto("/sign-up");
  await visitor.fill({ "Your name": "Ann Example", "Business name": "Ann Shop", Email: email, Password: PASSWORD });
  await visitor.page.locator("input[name=country]").fill("IN");
  await visitor.press("Create account");
  await visitor.page.getByLabel("Code").fill(await codeTo(visitor, email, 8));
  await visitor.press("Confirm");
  await visitor.page.getByRole("heading", { name: "Applications", level: 1 }).waitFor();
  return visitor.path().split("/")[2];
}

/**
 * Sets up an authenticator app on the Security page; gives its secret. What proves it is the code of now, so the next one
 * to give is `totp(secret, 1)`: both are good for more than half a minute, wherever in its step a slow machine gives them.
 */
export async function setUpAuthenticator(visitor) {
  await visitor.goto("/security");
  await visitor.page.locator("form[action='/security/authenticator'] input[name=password]").fill(PASSWORD);
  await visitor.press("Set up an authenticator app");
  const secret = await visitor.page.locator("#totp-secret").innerText();
  await visitor.page.locator("input[name=code]").fill(totp(secret));
  await visitor.press("Confirm");
  await visitor.page.getByRole("heading", { name: "Your recovery codes" }).waitFor();
  return secret;
}

/** Begins to turn codes by mail on, on the Security page. */
export async function beginMailCodes(visitor, password = PASSWORD) {
  await visitor.goto("/security");
  await visitor.page.locator("form[action='/security/mail-codes'] input[name=password]").fill(password);
  await visitor.press("Turn codes by mail on");
  await visitor.page.getByRole("heading", { name: "Turn codes by mail on" }).waitFor();
}

/** Gives a window an authenticator with a screen lock, which says yes to whatever it is asked. */
export async function withPasskeys(visitor, more = {}) {
  const cdp = await visitor.context.newCDPSession(visitor.page);
  await cdp.send("WebAuthn.enable");
  const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true };
  const { authenticatorId } = await cdp.send("WebAuthn.addVirtualAuthenticator", {
    options: { ...options, isUserVerified: true, automaticPresenceSimulation: true, ...more },
  });
  const send = (method, rest = {}) => cdp.send(`WebAuthn.${method}`, { authenticatorId, ...rest });
  return { send, keys: async () => (await send("getCredentials")).credentials };
}

/** Begins to add a passkey on the Security page. */
export async function beginPasskey(visitor, name) {
  await visitor.goto("/security");
  await visitor.page.getByLabel("Name of the passkey").fill(name);
  await visitor.page.locator("form[action='/security/passkeys'] input[name=password]").fill(PASSWORD);
  await visitor.press("Add a passkey");
}

/** Adds one. */
export async function addPasskey(visitor, name) {
  await beginPasskey(visitor, name);
  await visitor.press("Create the passkey");
  await visitor.row(name).waitFor();
}
