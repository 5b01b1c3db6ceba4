//! Signed requests, made before they are sent: a body of 1 KB that differs by a number, and KwikPaisa's signature over
//! it. Each may be sent once.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use aws_lc_rs::hmac;

use crate::management::Key;
use crate::wrk::{Order, Requests};

/// Length of the body.
const BODY_BYTES: usize = 1024;
/// Digits of the number in it.
const NUMBER_DIGITS: usize = 16;
/// What stands in front of the number.
const BODY_BEGIN: &str = r#"{"order_id":""#;

/// Everything of the body behind the number: a payment as KwikPaisa's page shows it, filled up to 1 KB.
fn body_end() -> String {
    let mut end = String::from(
        r#"","amount":"499.00","currency":"INR","customer":{"name":"Asha Rao","email":"asha@shop.example","phone":"+919800000000"},"return_url":"https://shop.example/paid","note":""#,
    );
    let length = BODY_BYTES - BODY_BEGIN.len() - NUMBER_DIGITS - "\"}".len();
    while end.len() < length {
        end.push_str("two metres of blue cotton, ");
    }
    end.truncate(length);
    end.push_str("\"}");
    end
}

/// A maker of signed requests. It never makes the same one twice.
pub struct Signer {
    keys: Vec<(Key, hmac::Key)>,
    made: usize,
}

impl Signer {
    /// A signer with these credentials, used in turn.
    pub fn new(keys: Vec<Key>) -> Self {
        let signing = |key: &Key| hmac::Key::new(hmac::HMAC_SHA256, key.secret.as_bytes());
        Self { keys: keys.into_iter().map(|key| (key.clone(), signing(&key))).collect(), made: 0 }
    }

    /// Makes that many requests, signed now.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn make(&mut self, folder: &Path, count: usize) -> Result<Requests> {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let end = body_end();
        let path = folder.join("signed.records");
        let mut file = BufWriter::new(std::fs::File::create(&path)?);
        let mut body = String::with_capacity(BODY_BYTES + 16);
        let (mut id_length, mut index) = (0, 0);
        while index < count {
            let at = self.made % self.keys.len();
            let (key, signing) = self.keys.get(at).context("a signer needs a key")?;
            let number = format!("{:016x}", self.made);
            body.clear();
            body.extend([BODY_BEGIN, &number, &end]);
            body.push_str(&seconds.to_string());
            let tag = hmac::sign(signing, body.as_bytes());
            write!(file, "{}{number}{}", key.key_id, data_encoding::HEXLOWER.encode(tag.as_ref()))?;
            id_length = key.key_id.len();
            self.made += 1;
            index += 1;
        }
        file.flush()?;
        let template = format!(
            "POST /kwikpaisa/api/v3/pg/order HTTP/1.1\r\nHost: pay.example\r\nUser-Agent: bench\r\nAccept: */*\r\n\
             Content-Type: application/json\r\nX-Api-Key: %1%\r\nX-Timestamp: {seconds}\r\nX-Signature: %3%\r\n\
             Content-Length: {BODY_BYTES}\r\n\r\n{BODY_BEGIN}%2%{end}"
        );
        let alike = Requests::alike(folder, "signed", &template)?;
        Ok(alike.varied(&path, &[id_length, NUMBER_DIGITS, 64], Order::Once))
    }
}
