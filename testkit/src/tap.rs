//! A wire between a proxy and the Keymint that it asks: carries every byte both ways, and keeps what was asked.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A running tap. Its threads end with the connections that they carry.
pub struct Tap {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    is_cut: Arc<AtomicBool>,
}

fn lock(asked: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tap {
    /// A tap in front of a server.
    ///
    /// # Panics
    /// When there is no port.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (book, count) = (Arc::clone(&asked), Arc::clone(&connections));
        let (open, is_cut): (Arc<Mutex<Vec<TcpStream>>>, Arc<AtomicBool>) = (Arc::default(), Arc::default());
        let (kept, cut) = (Arc::clone(&open), Arc::clone(&is_cut));
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                count.fetch_add(1, Ordering::SeqCst);
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend(client.try_clone());
                let Ok(server) = TcpStream::connect(server) else { continue };
                for stream in [&client, &server] {
                    let _ = stream.set_nodelay(true);
                }
                let (Ok(from_client), Ok(to_server)) = (client.try_clone(), server.try_clone()) else { continue };
                let book = Arc::clone(&book);
                std::thread::spawn(move || carry(from_client, to_server, |bytes| lock(&book).extend_from_slice(bytes)));
                std::thread::spawn(move || carry(server, client, |_| ()));
            }
        });
        Self { address, asked, connections, open, is_cut }
    }

    /// Ends every connection, and each new one at once.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Carries again.
    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    /// Connections that were opened.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// What was asked since the last time, byte for byte.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut lock(&self.asked))
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, note: impl Fn(&[u8])) {
    let mut part = [0_u8; 16 * 1024];
    while let Ok(count) = from.read(&mut part) {
        let bytes = part.get(..count).unwrap_or_default();
        note(bytes);
        if count == 0 || to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
