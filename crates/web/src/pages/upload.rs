//! Forms that may bring a file. What is kept of a body is bounded whatever is sent; the rest is read and dropped, so that
//! a person who picked a photo of ten megabytes gets their form back, with a sentence, and not a broken connection.

use std::time::Duration;

use axum::Form;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::response::IntoResponse;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use keymint_app::App;
use keymint_app::logo::FILE_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Problem;

/// Most that is kept of a form's fields. Bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// Most that is kept of a body: the fields, the file, and what stands between them. Bytes.
const KEPT_BYTES_MAX: usize = TEXT_BYTES_MAX + FILE_BYTES_MAX + 16 * 1024;
/// Most that is read of a body. Bytes: a photo from a telephone and more.
const READ_BYTES_MAX: usize = 32 * 1024 * 1024;
/// How long a body may take to arrive.
const DURATION_MAX: Duration = Duration::from_secs(60);
/// Most parts of a form.
const PARTS_MAX: usize = 32;

/// What came in the place of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum File {
    /// None was picked.
    None,
    /// One that is larger than any that is taken.
    TooLarge,
    /// One.
    Bytes(Vec<u8>),
}

/// A form with what came beside it. Sent by a page it is `multipart/form-data`; a form without a file may be sent as any
/// other is.
pub struct Sent<T> {
    /// The fields.
    pub form: T,
    /// The file.
    pub file: File,
}

impl<T: DeserializeOwned> FromRequest<App> for Sent<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_multipart = kind.to_ascii_lowercase().starts_with("multipart/form-data");
        // Whoever sends a file waits for a place, with all but a few frames of the body still on its side.
        let _place = if is_multipart { Some(app.logos.place().await?) } else { None };
        let (parts, body) = request.into_parts();
        let (keep, read) =
            if is_multipart { (KEPT_BYTES_MAX, READ_BYTES_MAX) } else { (TEXT_BYTES_MAX, TEXT_BYTES_MAX) };
        let reading = tokio::time::timeout(DURATION_MAX, beginning(body, keep, read));
        let kept = reading.await.map_err(|_| Problem::Broken)??;
        let mut request = Request::from_parts(parts, Body::from(kept.bytes));
        // It is in memory already, and bounded.
        DefaultBodyLimit::disable().apply(&mut request);
        if is_multipart {
            return fields(request, app, kept.is_whole).await;
        }
        if !kept.is_whole {
            return Err(Problem::Instead(Box::new(StatusCode::PAYLOAD_TOO_LARGE.into_response())));
        }
        match Form::from_request(request, app).await {
            Ok(Form(form)) => Ok(Self { form, file: File::None }),
            Err(rejection) => Err(Problem::Instead(Box::new(rejection.into_response()))),
        }
    }
}

struct Kept {
    bytes: Bytes,
    is_whole: bool,
}

/// The beginning of a body; what is behind it is read up to a limit, and dropped.
async fn beginning(mut body: Body, keep: usize, read: usize) -> Result<Kept, Problem> {
    let (mut bytes, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame.map_err(|_| Problem::Broken)?.into_data() else { continue };
        length += part.len();
        let room = keep - bytes.len();
        bytes.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
        if length > read {
            break;
        }
    }
    Ok(Kept { bytes: bytes.freeze(), is_whole: length <= keep })
}

/// The fields and the file out of the parts. In our forms the file comes last, so one that was cut off takes no field
/// with it.
async fn fields<T: DeserializeOwned>(request: Request, app: &App, is_whole: bool) -> Result<Sent<T>, Problem> {
    let mut parts = Multipart::from_request(request, app).await.map_err(|_| Problem::Broken)?;
    let (mut texts, mut file, mut n_parts, mut text_bytes) = (Map::new(), File::None, 0, 0);
    loop {
        let part = match parts.next_part().await {
            Ok(Some(part)) => part,
            Ok(None) => break,
            Err(Cut) if !is_whole => break,
            Err(Cut) => return Err(Problem::Broken),
        };
        n_parts += 1;
        if n_parts > PARTS_MAX {
            return Err(Problem::Broken);
        }
        match part {
            Part::File { is_named: false, bytes } if bytes.as_ref().is_ok_and(Bytes::is_empty) => {}
            Part::File { bytes: Ok(bytes), .. } => file = File::Bytes(bytes.to_vec()),
            Part::File { bytes: Err(Cut), .. } if !is_whole => {
                file = File::TooLarge;
                break;
            }
            Part::Text { name, text: Ok(text) } => {
                text_bytes += name.len() + text.len();
                // The same name twice: which one counts would be anyone's guess (T18).
                if text_bytes > TEXT_BYTES_MAX || texts.insert(name, Value::String(text)).is_some() {
                    return Err(Problem::Broken);
                }
            }
            Part::File { .. } | Part::Text { .. } => return Err(Problem::Broken),
        }
    }
    let form = serde_json::from_value(Value::Object(texts)).map_err(|_| Problem::Broken)?;
    Ok(Sent { form, file })
}

/// The body ended before the form did, or is no form.
struct Cut;

enum Part {
    Text { name: String, text: Result<String, Cut> },
    File { is_named: bool, bytes: Result<Bytes, Cut> },
}

trait Parts {
    async fn next_part(&mut self) -> Result<Option<Part>, Cut>;
}

impl Parts for Multipart {
    async fn next_part(&mut self) -> Result<Option<Part>, Cut> {
        let Some(field) = self.next_field().await.map_err(|_| Cut)? else { return Ok(None) };
        let name = field.name().unwrap_or_default().to_owned();
        match field.file_name().map(|name| !name.is_empty()) {
            Some(is_named) => Ok(Some(Part::File { is_named, bytes: field.bytes().await.map_err(|_| Cut) })),
            None => Ok(Some(Part::Text { name, text: field.text().await.map_err(|_| Cut) })),
        }
    }
}
