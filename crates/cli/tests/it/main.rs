//! Tests against the real binary: what merchants, their clients and the operator see.

mod crash;
mod interop;
