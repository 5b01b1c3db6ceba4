//! What the scripts of the pages say: their words stand in front of them, in one object, so that a translation is theirs
//! as well.

use std::sync::LazyLock;

use keymint_app::say;
use serde_json::json;

static CONSOLE: LazyLock<String> = LazyLock::new(|| {
    let words = json!({
        "copied": say!("script-copied"),
        "saved": say!("script-saved"),
        "liveOn": say!("script-live-on"),
        "liveOver": say!("script-live-over"),
        "liveFailed": say!("script-live-failed"),
        // The number is put in where the script knows it.
        "liveNew": say!("script-live-new", count = "#"),
        "tooMany": say!("common-too-many"),
        "passkeysUnavailable": say!("script-passkeys-unavailable"),
        "passkeyFailed": say!("script-passkey-failed"),
        // By the names that browsers give to what went wrong.
        "NotAllowedError": say!("script-passkey-not-confirmed"),
        "AbortError": say!("script-passkey-cancelled"),
        "InvalidStateError": say!("script-passkey-exists"),
        "NotSupportedError": say!("script-passkey-unsupported"),
        "SecurityError": say!("script-passkey-address"),
    });
    format!("\"use strict\";\nconst WORDS = {words};\n{}", include_str!("../../assets/console.js"))
});

/// The script that every page has; the words in front of it are for the others as well.
pub fn console() -> &'static str {
    &CONSOLE
}
