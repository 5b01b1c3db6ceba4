//! Route patterns: a method and a path whose `{name}` segments match any one segment. No prefix matches, no regular
//! expressions (T92).

/// `POST /auth/generate-token/{app_id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    method: Box<str>,
    /// Bytes that a path of this route has at the least.
    shortest: usize,
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Exact(Box<str>),
    Any(Box<str>),
}

impl Segment {
    /// The bytes that it takes at the least, with the slash before it.
    fn shortest(&self) -> usize {
        match self {
            Self::Exact(exact) => 1 + exact.len(),
            Self::Any(_) => 2,
        }
    }
}

impl Route {
    /// Reads `METHOD /path/{name}`; `None` when it is not of that form. Segments hold the characters that no client
    /// escapes (RFC 3986 section 2.3), so that the gate leaves one spelling of each.
    pub fn parse(text: &str) -> Option<Self> {
        let (method, path) = text.split_once(' ')?;
        let inner = path.strip_prefix('/')?;
        if !is_method(method) {
            return None;
        }
        let segment = |text: &str| match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => {
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
                (!name.is_empty() && name.bytes().all(plain)).then(|| Segment::Any(name.into()))
            }
            None => (is_plain_segment(text) || inner.is_empty()).then(|| Segment::Exact(text.into())),
        };
        let segments = inner.split('/').map(segment).collect::<Option<Box<[Segment]>>>()?;
        let shortest = segments.iter().map(Segment::shortest).sum();
        Some(Self { method: method.into(), shortest, segments })
    }

    /// Whether the request's method and path (inside the product) are of this route.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        *self.method == *method && self.matches_path(path)
    }

    /// Whether the path is of this route, whatever the method.
    pub fn matches_path(&self, path: &str) -> bool {
        self.fits(path, |exact, segment| exact == segment)
    }

    /// Whether software behind us could take the call for one of this route: letters of another case, a slash at the
    /// end. For routes that demand something; what a route grants, it grants to its own spelling alone (T90, T92).
    pub fn could_match(&self, method: &str, path: &str) -> bool {
        let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
        *self.method == *method && self.fits(path, str::eq_ignore_ascii_case)
    }

    fn fits(&self, path: &str, is_same: impl Fn(&str, &str) -> bool) -> bool {
        // Most paths that are of another route are seen by their length.
        if path.len() < self.shortest {
            return false;
        }
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut given = path.split('/');
        for wanted in &self.segments {
            match (wanted, given.next()) {
                (Segment::Exact(exact), Some(segment)) if is_same(exact, segment) => {}
                (Segment::Any(_), Some(segment)) if !segment.is_empty() => {}
                _ => return false,
            }
        }
        given.next().is_none()
    }

    /// The segment that stands where the route has `{name}`, when the path is of this route.
    pub fn capture<'p>(&self, path: &'p str, name: &str) -> Option<&'p str> {
        if !self.matches_path(path) {
            return None;
        }
        let position = self.segments.iter().position(|segment| *segment == Segment::Any(name.into()))?;
        path.split('/').nth(position + 1)
    }
}

/// Whether a method is written as methods are: in upper case.
pub(super) fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Whether a path is `/` and a segment, once or more often.
pub(super) fn is_plain_path(text: &str) -> bool {
    text.strip_prefix('/').is_some_and(|inner| inner.split('/').all(is_plain_segment))
}

fn is_plain_segment(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !matches!(text, "" | "." | "..") && text.bytes().all(plain)
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.method)?;
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Exact(exact) => write!(f, "/{exact}"),
            Segment::Any(name) => write!(f, "/{{{name}}}"),
        })
    }
}
