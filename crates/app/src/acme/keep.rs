//! What of ACME outlives a restart, in files: sealed under the key ring, so that who has only the folder has no key, each
//! for its record, and written in one step for their owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use keymint_domain::seal::SealError;
use keymint_domain::secret::SecretText;
use thiserror::Error;

use crate::App;

/// Largest file that is read. Bytes: a chain has some 10 KB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why something was not kept, or cannot be had back.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The file.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// The seal.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// What was kept for a record, if anything was.
///
/// # Errors
/// `KeepError`: it is there, and cannot be read or is not this record's.
pub fn load(app: &App, record: &str, path: &Path) -> Result<Option<SecretText>, KeepError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut sealed = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut sealed)?;
    Ok(Some(app.keyring.open_for(record, &sealed)?))
}

/// Keeps a text for a record, in the place of what was there.
///
/// # Errors
/// `KeepError`: what was there before is still there.
pub fn save(app: &App, record: &str, path: &Path, text: &SecretText) -> Result<(), KeepError> {
    let sealed = app.keyring.seal_for(record, text, &*app.entropy)?;
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&sealed)?;
    file.sync_all()?;
    Ok(std::fs::rename(&beside, path)?)
}
