//! Logos: what somebody sends is looked at, decoded within limits, and drawn anew as a small PNG. Nothing of the file
//! itself is kept, so what else it may have been (a page, a script, a place on a map) ends here (T109, T110).

use std::io::Cursor;
use std::sync::Arc;

use aws_lc_rs::digest;
use image::{ImageFormat, ImageReader, Limits};
use keymint_store::logos::Logo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::ops::{OpError, field};
use crate::say;

/// Largest file. Bytes: the 100 KB of KS Pay's form.
pub const FILE_BYTES_MAX: usize = 102_400;
/// Longest side that is decoded. Pixels.
const SIDE_MAX: u32 = 1536;
/// Most memory that one picture may take while it is decoded. Bytes: 1536 by 1536 pixels of four bytes, and a little.
const DECODE_BYTES_MAX: u64 = 10 * 1024 * 1024;
/// Longest side of what is kept. Pixels: 64 on a page, twice as sharp, and some room.
const KEPT_SIDE_MAX: u32 = 256;
/// Pictures decoded at one time; others wait for their turn, which takes tens of milliseconds.
const AT_ONCE: usize = 1;
/// Forms with a logo that are read at one time; others wait for a place. Each keeps 200 KB at the most.
const PLACES: usize = 64;

/// Where logos are decoded: off the async workers, a few at a time.
#[derive(Clone)]
pub struct Logos {
    at_once: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Logos {
    fn default() -> Self {
        Self { at_once: Arc::new(Semaphore::new(AT_ONCE)), places: Arc::new(Semaphore::new(PLACES)) }
    }
}

impl Logos {
    /// A place to read a form in, as soon as there is one. Given back when dropped.
    ///
    /// # Errors
    /// `Busy` when the process ends.
    pub async fn place(&self) -> Result<OwnedSemaphorePermit, OpError> {
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| OpError::Busy)
    }

    /// Draws a logo out of what was sent.
    ///
    /// # Errors
    /// `Field` that says what is wrong with the file; `Busy`.
    pub async fn draw(&self, file: Vec<u8>) -> Result<Logo, OpError> {
        check(&file)?;
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| OpError::Busy)?;
        let drawing = tokio::task::spawn_blocking(move || {
            let drawn = draw_now(&file);
            drop(turn);
            drawn
        });
        // A decoder that gives up over a file is the file's fault.
        drawing.await.unwrap_or(None).map_or_else(|| field("logo", say!("input-logo-unreadable")), Ok)
    }
}

/// What is said of a file above `FILE_BYTES_MAX`.
pub fn too_large() -> String {
    say!("input-logo-too-large", most = FILE_BYTES_MAX / 1024)
}

/// Size and kind: by what is in the file, whatever it is called.
fn check(file: &[u8]) -> Result<ImageFormat, OpError> {
    if file.is_empty() {
        return field("logo", say!("input-empty"));
    }
    if file.len() > FILE_BYTES_MAX {
        return field("logo", too_large());
    }
    match infer::get(file).map(|kind| kind.mime_type()) {
        Some("image/png") => Ok(ImageFormat::Png),
        Some("image/jpeg") => Ok(ImageFormat::Jpeg),
        _ => field("logo", say!("input-logo-kind")),
    }
}

fn draw_now(file: &[u8]) -> Option<Logo> {
    let format = check(file).ok()?;
    let mut reader = ImageReader::with_format(Cursor::new(file), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    reader.limits(limits);
    let decoded = reader.decode().ok()?;
    let is_small = decoded.width() <= KEPT_SIDE_MAX && decoded.height() <= KEPT_SIDE_MAX;
    let small = if is_small { decoded } else { decoded.thumbnail(KEPT_SIDE_MAX, KEPT_SIDE_MAX) };
    let mut png = Vec::new();
    // Eight bits a channel, and no profile, text or time: those of the file stay behind with it.
    image::DynamicImage::from(small.into_rgba8()).write_to(&mut Cursor::new(&mut png), ImageFormat::Png).ok()?;
    let version = data_encoding::HEXLOWER.encode(digest::digest(&digest::SHA256, &png).as_ref());
    Some(Logo { png, version: version.chars().take(16).collect() })
}
