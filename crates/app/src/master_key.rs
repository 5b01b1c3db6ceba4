//! Where the key ring comes from: a file, a file descriptor, or a command's output. Never an environment variable, an
//! argument or the database (T130).

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use keymint_domain::entropy::Entropy;
use keymint_domain::seal::{Keyring, KeyringError};
use keymint_domain::secret::SecretText;
use thiserror::Error;

/// Longest key ring that is read. Bytes.
const RING_BYTES_MAX: u64 = 64 * 1024;

/// Where to read the ring from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKeySource {
    /// A file that only its owner can read.
    File(PathBuf),
    /// An open file descriptor, read to its end.
    Descriptor(u32),
    /// A command and its arguments; its standard output is the ring.
    Command(Vec<String>),
}

/// Why there is no ring.
#[derive(Debug, Error)]
pub enum MasterKeyError {
    /// The source cannot be read.
    #[error("the master key cannot be read from {place}: {cause}")]
    Unreadable {
        /// The source.
        place: String,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Others can read the file.
    #[error("{} is readable by others (mode {mode:o}); run `chmod 600` on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The command failed.
    #[error("the master key command failed with {0}")]
    Command(std::process::ExitStatus),
    /// What was read is no ring.
    #[error(transparent)]
    Ring(#[from] KeyringError),
    /// No random bytes for a new ring.
    #[error(transparent)]
    Entropy(#[from] keymint_domain::entropy::EntropyError),
}

/// Reads the ring.
///
/// # Errors
/// `MasterKeyError` says which source failed and how; never what it held.
pub fn load(source: &MasterKeySource) -> Result<Keyring, MasterKeyError> {
    let text = match source {
        MasterKeySource::File(path) => read_file(path)?,
        MasterKeySource::Descriptor(number) => {
            let path = PathBuf::from(format!("/proc/self/fd/{number}"));
            read_all(&path, File::open(&path))?
        }
        MasterKeySource::Command(words) => read_command(words)?,
    };
    Ok(Keyring::parse(&text)?)
}

/// Reads the ring of a file, or makes the file (mode 0600) with a new ring. For `dev`.
///
/// # Errors
/// As `load`.
pub fn load_or_make(path: &Path, entropy: &dyn Entropy) -> Result<Keyring, MasterKeyError> {
    let unreadable = |cause| MasterKeyError::Unreadable { place: path.display().to_string(), cause };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let text = Keyring::generate("k1", entropy)?;
            file.write_all(text.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(unreadable)?;
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(unreadable(error)),
    }
    load(&MasterKeySource::File(path.to_owned()))
}

fn read_file(path: &Path) -> Result<SecretText, MasterKeyError> {
    let file = File::open(path);
    if let Some(mode) = file.as_ref().ok().and_then(exposed_mode) {
        return Err(MasterKeyError::Exposed { path: path.to_owned(), mode });
    }
    read_all(path, file)
}

/// The mode of a file that holds a secret and lets others than its owner at it.
pub fn exposed_mode(file: &File) -> Option<u32> {
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && metadata.mode() & 0o077 != 0).then(|| metadata.mode() & 0o777)
}

fn read_all(path: &Path, file: std::io::Result<File>) -> Result<SecretText, MasterKeyError> {
    let read = file.and_then(|file| {
        let mut text = String::new();
        file.take(RING_BYTES_MAX).read_to_string(&mut text)?;
        Ok(SecretText::new(text))
    });
    read.map_err(|cause| MasterKeyError::Unreadable { place: path.display().to_string(), cause })
}

fn read_command(words: &[String]) -> Result<SecretText, MasterKeyError> {
    let (program, arguments) = words.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let unreadable = |cause| MasterKeyError::Unreadable { place: format!("the command `{program}`"), cause };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(unreadable)?;
    if !output.status.success() {
        return Err(MasterKeyError::Command(output.status));
    }
    let text = String::from_utf8(output.stdout);
    let odd = |_| unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, "its output is not text"));
    text.map(SecretText::new).map_err(odd)
}
