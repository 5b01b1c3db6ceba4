//! Certificates and keys, in files or as an authority issued them: read, understood, and found to fit each other, or refused
//! with what is wrong.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, Digest, SHA256};
use keymint_app::acme::Issued;
use keymint_app::certificate::{Pair, PairError};
use keymint_app::listen::PairConfig;
use keymint_app::master_key::exposed_mode;
use keymint_domain::secret::SecretBytes;
use thiserror::Error;

/// Largest file that is read: a long chain has some 10 KB. Bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why a certificate and its key cannot be used. Never says what a file held.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// Others can read the key.
    #[error("{} is readable by others (mode {mode:o}); run `chmod 600` on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// No certificate, or a broken one.
    #[error("{} holds no certificate that can be read; it must be PEM (-----BEGIN CERTIFICATE-----), the server's own first", .0.display())]
    NoCertificate(PathBuf),
    /// No private key, or a broken one, or one of a kind that is not known.
    #[error("{} holds no private key that can be used; it must be PEM (-----BEGIN PRIVATE KEY-----), without a password", .0.display())]
    NoKey(PathBuf),
    /// The key is of another certificate.
    #[error("the key in {} does not belong to the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The library refuses the setting.
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

/// The two files of a pair as they are now.
pub struct Content {
    config: PairConfig,
    certificate: Vec<u8>,
    key: SecretBytes,
}

/// A pair that is shown, and where it came from.
#[derive(Debug)]
pub struct Shown {
    /// The pair.
    pub pair: Pair,
    /// The file with the certificate.
    pub file: PathBuf,
}

fn open(path: &Path) -> Result<File, TlsError> {
    File::open(path).map_err(|cause| TlsError::Unreadable { path: path.to_owned(), cause })
}

fn read(path: &Path, file: File) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
    read.map_err(|cause| TlsError::Unreadable { path: path.to_owned(), cause })?;
    Ok(bytes)
}

impl Content {
    /// Reads both files.
    ///
    /// # Errors
    /// `Unreadable`; `Exposed` when others than its owner can read the key.
    pub fn read(config: &PairConfig) -> Result<Self, TlsError> {
        let certificate = read(&config.certificate, open(&config.certificate)?)?;
        let file = open(&config.key)?;
        if let Some(mode) = exposed_mode(&file) {
            return Err(TlsError::Exposed { path: config.key.clone(), mode });
        }
        let key = SecretBytes::new(read(&config.key, file)?);
        Ok(Self { config: config.clone(), certificate, key })
    }

    /// What an authority issued, which is kept in this file.
    pub fn issued(issued: &Issued, file: &Path) -> Self {
        let config = PairConfig { certificate: file.to_owned(), key: file.to_owned() };
        let key = SecretBytes::new(issued.key.expose().as_bytes().to_vec());
        Self { config, certificate: issued.chain.as_bytes().to_vec(), key }
    }

    /// The pair that stands in them.
    ///
    /// # Errors
    /// `NoCertificate`, `NoKey`, `Mismatch`.
    pub fn understand(&self) -> Result<Shown, TlsError> {
        let PairConfig { certificate: file, key } = &self.config;
        let pair = Pair::parse(&self.certificate, self.key.expose()).map_err(|error| match error {
            PairError::NoCertificate => TlsError::NoCertificate(file.clone()),
            PairError::NoKey => TlsError::NoKey(key.clone()),
            PairError::Mismatch => TlsError::Mismatch { certificate: file.clone(), key: key.clone() },
        })?;
        Ok(Shown { pair, file: file.clone() })
    }
}

/// A digest by which a change of the files is noticed.
pub fn digest(contents: &[Content]) -> Digest {
    let mut context = Context::new(&SHA256);
    for Content { certificate, key, .. } in contents {
        for part in [certificate, key.expose()] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
    }
    context.finish()
}
