//! Route patterns: a method and a path whose `{name}` segments match any one segment. No prefix matches, no regular
//! expressions (T92).

/// `POST /auth/generate-token/{app_id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    method: Box<str>,
    segments: Box<[Segment]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Exact(Box<str>),
    Any(Box<str>),
}

impl Route {
    /// Reads `METHOD /path/{name}`; `None` when it is not of that form.
    pub fn parse(text: &str) -> Option<Self> {
        let (method, path) = text.split_once(' ')?;
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let segments = path
            .strip_prefix('/')?
            .split('/')
            .map(|segment| {
                match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                    Some(name) => Segment::Any(name.into()),
                    None => Segment::Exact(segment.into()),
                }
            })
            .collect();
        Some(Self { method: method.into(), segments })
    }

    /// Whether the request's method and path (inside the product) are of this route.
    pub fn matches(&self, method: &str, path: &str) -> bool {
        *self.method == *method && self.matches_path(path)
    }

    /// Whether the path is of this route, whatever the method.
    pub fn matches_path(&self, path: &str) -> bool {
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut given = path.split('/');
        for wanted in &self.segments {
            match (wanted, given.next()) {
                (Segment::Exact(exact), Some(segment)) if **exact == *segment => {}
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

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.method)?;
        self.segments.iter().try_for_each(|segment| match segment {
            Segment::Exact(exact) => write!(f, "/{exact}"),
            Segment::Any(name) => write!(f, "/{{{name}}}"),
        })
    }
}
