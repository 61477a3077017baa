//! TLS (being replaced).
use super::transport::{Socket, Stop};
use crate::Error;
use crate::config::ServerSettings;
pub(in crate::server) struct TlsAcceptor;
impl TlsAcceptor {
    pub(in crate::server) fn new(_settings: &ServerSettings) -> Result<Option<Self>, Error> {
        Ok(None)
    }
    pub(super) fn start(&self, socket: Socket) -> Result<TlsStream, Error> {
        Ok(TlsStream(socket))
    }
}
pub(super) struct TlsStream(Socket);
impl TlsStream {
    pub(super) fn read(&mut self, _buffer: &mut [u8]) -> Result<usize, Stop> {
        Err(Stop::Broken)
    }
    pub(super) fn write(&mut self, _bytes: &[u8]) -> Result<usize, Stop> {
        Err(Stop::Broken)
    }
    pub(super) fn say_goodbye(&mut self) {}
    pub(super) fn client(&self) -> Option<&str> {
        None
    }
    pub(super) fn socket(&self) -> &Socket {
        &self.0
    }
}
