//! The gate: what can be read in more than one way is refused, in every dialect; what is ordinary passes.

mod headers;
mod paths;
mod smuggled;

use keymint_domain::gate::{self, GateFault};

use crate::fixture::{DIALECTS, Request, dialect};

/// The gate's answer, which must be the same in every dialect.
fn everywhere(request: &Request) -> Result<(), GateFault> {
    let answers = DIALECTS.map(|name| head(name, request));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{} {}: {answers:?}", request.method, request.target);
    answers[0]
}

fn head(name: &str, request: &Request) -> Result<(), GateFault> {
    request.see(|view| gate::check_head(dialect(name), view))
}

fn body(name: &str, body: impl AsRef<[u8]>) -> Result<(), GateFault> {
    gate::check_body(dialect(name), body.as_ref())
}
