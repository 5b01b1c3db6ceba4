//! Passwords: the rule for a new one, and hashing (Argon2id, RFC 9106, OWASP's 19 MiB and two passes) behind a bounded
//! queue, so that a flood of sign-ins can take neither the memory nor the processor (T74).

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use keymint_domain::entropy::Entropy;
use keymint_domain::secret::SecretText;
use tokio::sync::Semaphore;

use crate::ops::{OpError, field};
use crate::say;

/// Hashes at one time.
const AT_ONCE: usize = 2;
/// Hashes that may be under way or waited for; whoever comes then is told to try again.
const QUEUE_MAX: usize = 32;
/// Shortest password (NIST SP 800-63B-4, section 3.1.1.2, for a password that stands alone). Characters.
const CHARS_MIN: usize = 15;
/// Longest that is looked at. Bytes.
const BYTES_MAX: usize = 256;
/// Length of a salt. Bytes.
const SALT_BYTES: usize = 16;

/// Where passwords are hashed.
#[derive(Clone)]
pub struct Passwords {
    queue: Arc<Semaphore>,
    at_once: Arc<Semaphore>,
    /// What an unknown account is checked against, so that it takes the same time (T101).
    nobody: Arc<str>,
}

impl Passwords {
    /// A queue with nobody in it.
    ///
    /// # Errors
    /// `OpError::Entropy` when there are no random bytes for a salt.
    pub fn new(entropy: &dyn Entropy) -> Result<Self, OpError> {
        let mut random = [0; SALT_BYTES];
        entropy.fill(&mut random)?;
        let secret = SecretText::new(data_encoding::HEXLOWER.encode(&random));
        let nobody = hash_now(&secret, &salt(entropy)?).into();
        Ok(Self { queue: Arc::new(Semaphore::new(QUEUE_MAX)), at_once: Arc::new(Semaphore::new(AT_ONCE)), nobody })
    }

    /// The hash of a new password, as a PHC string. `about` is what others know of the person.
    ///
    /// # Errors
    /// `Field` when it is too short, too long or too easy to guess; `Busy`.
    pub async fn hash(&self, entropy: &dyn Entropy, password: SecretText, about: &[&str]) -> Result<String, OpError> {
        check(&password, about)?;
        let salt = salt(entropy)?;
        self.work(move || hash_now(&password, &salt)).await
    }

    /// Whether a password is the one that was hashed. Without a hash (an account that nobody has) it takes the same time,
    /// and the answer is no.
    ///
    /// # Errors
    /// `Busy`.
    pub async fn matches(&self, hash: Option<&str>, password: SecretText) -> Result<bool, OpError> {
        // Too long for any account; what it costs must not depend on the rest.
        if password.expose().len() > BYTES_MAX {
            return Ok(false);
        }
        let is_known = hash.is_some();
        let hash: Arc<str> = hash.map_or_else(|| Arc::clone(&self.nobody), Arc::from);
        let is_right =
            self.work(move || argon2().verify_password(password.expose().as_bytes(), &*hash).is_ok()).await?;
        Ok(is_known && is_right)
    }

    /// Runs one hash. Its permits go with it: a caller that hangs up does not make room for another while it runs.
    async fn work<T: Send + 'static>(&self, hash: impl FnOnce() -> T + Send + 'static) -> Result<T, OpError> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| OpError::Busy)?;
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| OpError::Busy)?;
        let hashing = tokio::task::spawn_blocking(move || {
            let done = hash();
            drop((turn, place));
            done
        });
        hashing.await.map_err(|_| OpError::Busy)
    }
}

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

fn salt(entropy: &dyn Entropy) -> Result<[u8; SALT_BYTES], OpError> {
    let mut salt = [0; SALT_BYTES];
    entropy.fill(&mut salt)?;
    Ok(salt)
}

fn hash_now(password: &SecretText, salt: &[u8]) -> String {
    let hashed = argon2().hash_password_with_salt(password.expose().as_bytes(), salt);
    hashed.expect("the parameters, the salt's length and the password's bound are fixed and fit").to_string()
}

/// Length is all that a rule can ask for; what is known, or is one word over and over, is refused as well (NIST SP
/// 800-63B-4 section 3.1.1.2, T103). Lists of known passwords, names and keyboards come with `zxcvbn`.
///
/// # Errors
/// `OpError::Field`.
pub fn check(password: &SecretText, about: &[&str]) -> Result<(), OpError> {
    let text = password.expose();
    if text.chars().count() < CHARS_MIN {
        return field("password", say!("input-password-short", least = CHARS_MIN));
    }
    if text.len() > BYTES_MAX {
        return field("password", say!("input-password-long", most = BYTES_MAX));
    }
    if zxcvbn::zxcvbn(text, about).score() < zxcvbn::Score::Three {
        return field("password", say!("input-password-weak"));
    }
    Ok(())
}
