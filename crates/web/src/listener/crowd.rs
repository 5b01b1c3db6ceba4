//! The open connections of a thread, as far as one may have to go for another: when there are as many as there may be, the
//! one that has waited longest for a request makes room. Who is being answered stays, and a newcomer is told to come again.
//! So connections that do nothing, however many, keep nobody out (T70).

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use crate::deadline::Deadlines;

/// Connections that are looked at for the one that goes.
const LOOKS: usize = 64;
/// What a newcomer is told where nobody goes (RFC 9110 sections 10.2.3 and 15.6.4).
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// How long it may take to say what it wants: what was sent and not read would take the answer with it.
const BUSY_DEADLINE: Duration = Duration::from_secs(1);
/// What of that is read. Bytes.
const BUSY_BYTES: usize = 16 * 1024;

/// A connection.
struct Member {
    task: AbortHandle,
    deadlines: Deadlines,
}

/// The connections.
#[derive(Default)]
pub struct Crowd {
    members: Vec<Member>,
    next: usize,
}

impl Crowd {
    /// One more, of which so many are open.
    pub fn add(&mut self, task: AbortHandle, deadlines: Deadlines, open: usize) {
        if self.members.len() > 2 * open.max(LOOKS) {
            self.members.retain(|member| !member.task.is_finished());
        }
        self.members.push(Member { task, deadlines });
    }

    /// Closes the connection that has waited longest for a head, of some that are looked at. Whether there was one.
    pub fn make_room(&mut self) -> bool {
        let mut longest = None;
        for _ in 0..LOOKS.min(self.members.len()) {
            if self.next >= self.members.len() {
                self.next = 0;
            }
            let Some(member) = self.members.get(self.next) else { break };
            if member.task.is_finished() {
                self.members.swap_remove(self.next);
                continue;
            }
            if let Some(deadline) = member.deadlines.head_deadline()
                && longest.as_ref().is_none_or(|(earliest, _)| deadline < *earliest)
            {
                longest = Some((deadline, member.task.clone()));
            }
            self.next += 1;
        }
        longest.map(|(_, task)| task.abort()).is_some()
    }
}

/// Tells a newcomer to come again.
pub async fn decline(mut stream: TcpStream) {
    let told = async {
        let mut request = [0; BUSY_BYTES];
        stream.readable().await?;
        let _ = stream.try_read(&mut request);
        stream.write_all(BUSY).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(BUSY_DEADLINE, told).await;
}
