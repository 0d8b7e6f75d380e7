extern "C" {
#include "base/clock.h"
}

#include "dicom/dicom_transport.hh"

#include <dcmtk/dcmnet/dcmtrans.h>

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <new>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

thread_local dicom_transport_state dicom_transport;

namespace
{
enum { PARTING_MS = 2000 };

bool too_slow(dicom_transport_state &state)
{
    if (state.grace_ms > 0)
        state.too_slow =
            state.waited_ms >
            state.grace_ms + static_cast<int64_t>(state.read_bytes * 1000 / dicom_transport_slowest_bytes_s);
    return state.too_slow;
}

bool arrives_before(int fd, int64_t until_ms)
{
    struct pollfd one = {fd, POLLIN, 0};
    return poll(&one, 1, static_cast<int>(std::max<int64_t>(0, until_ms - clock_monotonic_ms()))) > 0;
}

/* Acknowledges every segment at once: a sender that keeps Nagle's algorithm on would otherwise wait 40 ms an
 * object for our delayed acknowledgement. Refuses to read on where may_read or the peer's time ends. */
class QuickConnection : public DcmTCPConnection
{
  public:
    explicit QuickConnection(DcmNativeSocketType fd) : DcmTCPConnection(fd)
    {
    }
    ssize_t read(void *buffer, size_t size) override
    {
        dicom_transport_state &state = dicom_transport;
        bool late = state.part_by_ms ? !arrives_before(getSocket(), state.part_by_ms) : too_slow(state);
        if (state.may_read == 0 || late) {
            errno = ECONNABORTED;
            return -1;
        }
        int64_t begin_ms = clock_monotonic_ms();
        ssize_t got = DcmTCPConnection::read(buffer, size);
        state.waited_ms += clock_monotonic_ms() - begin_ms;
        state.read_bytes += got > 0 ? static_cast<uint64_t>(got) : 0;
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
        if (state.part_by_ms)
            return arrives_before(getSocket(), state.part_by_ms);
        int64_t begin_ms = clock_monotonic_ms();
        OFBool available = DcmTCPConnection::networkDataAvailable(timeout);
        state.waited_ms += clock_monotonic_ms() - begin_ms;
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

void dicom_transport_time(int64_t grace_ms)
{
    dicom_transport.grace_ms = grace_ms;
    dicom_transport.waited_ms = 0;
    dicom_transport.read_bytes = 0;
    dicom_transport.too_slow = false;
}

void dicom_transport_part()
{
    dicom_transport.part_by_ms = clock_monotonic_ms() + PARTING_MS;
}

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

void dicom_transport_patience(int fd, int seconds)
{
    struct timeval most = {seconds, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
}
