//! A DNS server over UDP that tells what a test tells it, and something else the next time where the test wants that.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

/// Types of records (RFC 1035 section 3.2.2, RFC 3596).
const A: u16 = 1;
const AAAA: u16 = 28;
/// Header of a message (RFC 1035 section 4.1.1). Bytes.
const HEADER: usize = 12;

#[derive(Default)]
struct Inside {
    /// What is told of a name, one list of addresses after the other, and again from the first.
    told: HashMap<String, Vec<Vec<IpAddr>>>,
    /// What is told of any other name.
    otherwise: Vec<IpAddr>,
    /// How often a name was asked for, by the type of record.
    asked: HashMap<(String, u16), usize>,
}

/// The server. Its thread ends with the process.
pub struct Dns {
    address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

impl Dns {
    /// Answers on a free port of loopback; knows no name yet.
    ///
    /// # Panics
    /// Where there is no port.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let inside: Arc<Mutex<Inside>> = Arc::default();
        let shared = Arc::clone(&inside);
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                if let Some(answer) = answer(&bytes[..length], &shared) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { address, inside }
    }

    /// Where it is asked.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a name has, one list the first time it is asked for, the next list the next time, and so round.
    pub fn tells(&self, name: &str, answers: &[&[&str]]) {
        let list = |addresses: &&[&str]| addresses.iter().map(|one| one.parse().expect("an address")).collect();
        let answers = answers.iter().map(list).collect();
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).told.insert(name.to_lowercase(), answers);
    }

    /// What every other name has.
    pub fn tells_of_the_rest(&self, addresses: &[&str]) {
        let addresses = addresses.iter().map(|one| one.parse().expect("an address")).collect();
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).otherwise = addresses;
    }

    /// How often a name's IPv4 addresses were asked for.
    pub fn asked(&self, name: &str) -> usize {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.asked.get(&(name.to_lowercase(), A)).copied().unwrap_or_default()
    }
}

/// The name that is asked for, and where the question ends.
fn question(message: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), HEADER);
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
        at += length;
    }
}

fn answer(message: &[u8], shared: &Mutex<Inside>) -> Option<Vec<u8>> {
    let (name, name_end) = question(message)?;
    let wanted = u16::from_be_bytes(message.get(name_end..name_end + 2)?.try_into().ok()?);
    let addresses = {
        let mut inside = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = inside.asked.entry((name.clone(), wanted)).or_default();
        let now = *turn;
        *turn += 1;
        match inside.told.get(&name) {
            Some(lists) => lists[now % lists.len()].clone(),
            None => inside.otherwise.clone(),
        }
    };
    let records: Vec<Vec<u8>> = addresses
        .into_iter()
        .filter_map(|address| match address {
            IpAddr::V4(address) if wanted == A => Some(address.octets().to_vec()),
            IpAddr::V6(address) if wanted == AAAA => Some(address.octets().to_vec()),
            _ => None,
        })
        .collect();
    let mut reply = message.get(..2)?.to_vec();
    // An answer, from who is responsible for the name, without an error.
    reply.extend_from_slice(&[0x84, 0, 0, 1]);
    reply.extend_from_slice(&u16::try_from(records.len()).ok()?.to_be_bytes());
    reply.extend_from_slice(&[0; 4]);
    reply.extend_from_slice(message.get(HEADER..name_end + 4)?);
    for record in records {
        // The name of the question, class IN, nothing to be kept.
        reply.extend_from_slice(&[0xc0, 12]);
        reply.extend_from_slice(&wanted.to_be_bytes());
        reply.extend_from_slice(&[0, 1, 0, 0, 0, 0]);
        reply.extend_from_slice(&u16::try_from(record.len()).ok()?.to_be_bytes());
        reply.extend_from_slice(&record);
    }
    Some(reply)
}
