//! The request log as a file, one JSON object a line, for whatever collects logs. Whoever turns the file over moves it away:
//! the next batch makes a new one. What cannot be written is counted and left out; the store's log goes on.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::Record;

/// A file that decisions are added to.
pub struct Export {
    path: PathBuf,
    file: Option<File>,
    text: Vec<u8>,
}

/// A decision as a line says it. The names are those of the management API.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    request_id: &'a str,
    product: &'a str,
    mode: Option<&'static str>,
    merchant_id: Option<String>,
    app_id: Option<String>,
    key_id: Option<&'a str>,
    method: &'static str,
    path: &'a str,
    status: u16,
    decision: &'static str,
    reason: Option<&'static str>,
    scheme: Option<&'static str>,
    client_ip: IpAddr,
    duration_us: u32,
}

impl Export {
    /// To a file, which is made with the first decision, readable by its owner alone.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, text: Vec::new() }
    }

    /// Adds decisions, as a whole or not at all: a line that was cut off would join the next.
    ///
    /// # Errors
    /// As the operating system answers; nothing of it is left half written.
    pub fn add(&mut self, records: &[Record]) -> std::io::Result<()> {
        self.text.clear();
        for record in records {
            serde_json::to_writer(&mut self.text, &line(record, &record.request_id.to_bytes()))?;
            self.text.push(b'\n');
        }
        let mut file = self.current()?;
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(&self.text) {
            let _ = file.set_len(before);
            self.file = None;
            return Err(error);
        }
        self.file = Some(file);
        Ok(())
    }

    /// The file at the path: the one that is open, unless it was moved away or taken away.
    fn current(&mut self) -> std::io::Result<File> {
        let there = std::fs::metadata(&self.path).ok().map(|found| (found.dev(), found.ino()));
        let open = self.file.take().filter(|file| {
            let ours = file.metadata().ok().map(|found| (found.dev(), found.ino()));
            there.is_some() && ours == there
        });
        match open {
            Some(file) => Ok(file),
            None => OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path),
        }
    }
}

fn line<'a>(record: &'a Record, request_id: &'a [u8]) -> Line<'a> {
    let candidate = record.candidate.as_deref();
    Line {
        at: Timestamp::from_millisecond(record.at.0).unwrap_or_default().to_string(),
        request_id: std::str::from_utf8(request_id).unwrap_or_default(),
        product: &record.product,
        mode: candidate.map(|known| known.mode.as_str()),
        merchant_id: candidate.map(|known| known.merchant_id.to_string()),
        app_id: candidate.map(|known| known.app_id.to_string()),
        key_id: candidate.map(|known| &*known.key_id),
        method: record.method,
        path: &record.path,
        status: record.status,
        decision: if record.reason.is_some() { "deny" } else { "allow" },
        reason: record.reason.map(|reason| reason.as_str()),
        scheme: record.scheme.map(|scheme| scheme.as_str()),
        client_ip: record.client_ip,
        duration_us: record.duration_us,
    }
}
