//! HTTP message signatures (RFC 9421) with shared secrets: reading them, rebuilding what was signed, our policy on what
//! must be signed, and making them. No key look-up, no clock, no replay memory: those belong to the callers.
//!
//! A signed request carries two structured fields (RFC 9651) under one label:
//!
//! ```text
//! Signature-Input: sig1=("@method" "@target-uri" "content-digest");created=1700000000;keyid="mk_live_…"
//! Signature: sig1=:MAC in base 64:
//! ```
//!
//! The first says which parts of the request were signed, in which order, and with which key. The verifier builds the
//! *signature base* from its own view of the request, one line per part and the parameters as the last line, and
//! compares the MAC of that text. The steps here, in the order a verifier takes them:
//!
//! 1. [`SignatureInput::parse`] reads both fields strictly. RFC 9421 leaves a verifier much freedom (several
//!    signatures, parameters it does not know, parts of a response); each freedom is a second reading, so we take none
//!    of it (T17). One label; six known parameters with checked types; `keyid` and `created` required; the algorithm
//!    absent or `hmac-sha256`, because it belongs to the key and not to the request (T6).
//! 2. [`check_coverage`] refuses signatures that leave out the method, the target or the body (T4, T5). RFC 9421
//!    section 3.2.1 asks every application to set such a policy; without one, an empty list verifies.
//! 3. [`check_content_digest`] ties the body to the signed `Content-Digest` field (RFC 9530). A signature over the field
//!    says nothing about the body until this has passed.
//! 4. [`signature_base`] and [`verify_hmac`].
//!
//! Structured fields are parsed by the `sfv` crate, but through our own visitor (`fields.rs`): its ready-made types let
//! the last of two equal keys win and take base 64 that is not canonical, and both would be ways to write one signature
//! twice (T10).
//!
//! The same code makes signatures ([`sign`]), so our client cannot sign what our verifier would read differently.

mod base;
mod component;
mod content_digest;
mod coverage;
mod fields;
mod input;
mod mac;
mod query;
mod sign;

// The parts of one protocol, split by size. The modules are private, so each item still has one path.
pub use base::{BASE_BYTES_MAX, BaseError, signature_base};
pub use component::{Component, ComponentError};
pub use content_digest::{CONTENT_DIGEST_BYTES_MAX, DigestError, check_content_digest, content_digest};
pub use coverage::{CoverageError, check_coverage};
pub use input::{
    COMPONENTS_MAX, INPUT_BYTES_MAX, LABEL_BYTES_MAX, Parameter, SIGNATURE_BYTES_MAX, SignatureInput,
    SignatureInputError, TEXT_BYTES_MAX,
};
pub use mac::{KEY_BYTES_MIN, KeyTooShort, sign_hmac, verify_hmac};
pub use sign::{SignError, SignedFields, SigningParameters, default_components, sign};
