#include "dicom/dicom_transport.hh"

#include <dcmtk/dcmnet/dcmtrans.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <new>
#include <sys/socket.h>

thread_local dicom_transport_state dicom_transport;

namespace
{
enum { PARTING_S = 2 };

/* Acknowledges every segment at once: a sender that keeps Nagle's algorithm on would otherwise wait 40 ms an
 * object for our delayed acknowledgement. Refuses to read on where may_read ends. */
class QuickConnection : public DcmTCPConnection
{
  public:
    explicit QuickConnection(DcmNativeSocketType fd) : DcmTCPConnection(fd)
    {
    }
    ssize_t read(void *buffer, size_t size) override
    {
        dicom_transport_state &state = dicom_transport;
        if (state.may_read == 0) {
            errno = ECONNABORTED;
            return -1;
        }
        ssize_t got = DcmTCPConnection::read(buffer, size);
        state.fell_silent = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (got > 0 && state.may_read != dicom_transport_no_limit)
            state.may_read -= std::min<uint64_t>(state.may_read, static_cast<uint64_t>(got));
        int on = 1;
        setsockopt(getSocket(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
        return got;
    }
    OFBool networkDataAvailable(int timeout) override
    {
        dicom_transport_state &state = dicom_transport;
        OFBool available = DcmTCPConnection::networkDataAvailable(
            state.parting ? std::min<int>(timeout, PARTING_S) : timeout);
        state.fell_silent = state.fell_silent || !available;
        return available;
    }
};

class QuickLayer : public DcmTransportLayer
{
  public:
    DcmTransportConnection *createConnection(DcmNativeSocketType fd, OFBool) override
    {
        dicom_transport.socket_taken =
            true; /* dcmnet closes the socket itself when it gets no connection from us */
        return new (std::nothrow) QuickConnection(fd);
    }
};
} // namespace

DcmTransportLayer *dicom_transport_layer()
{
    return new QuickLayer;
}

void dicom_transport_tune(int fd, int keepalive_s)
{
    int on = 1, all = 1, between_s = 10, asked = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_s, sizeof keepalive_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof between_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &asked, sizeof asked);
    setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &all, sizeof all);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}
