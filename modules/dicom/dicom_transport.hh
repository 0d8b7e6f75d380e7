/* What dcmnet reads from when we accept: a connection that can be told to stop. Private to modules/dicom. */
#ifndef DICOM_TRANSPORT_HH
#define DICOM_TRANSPORT_HH

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmnet/dcmlayer.h>

#include <cstdint>

constexpr uint64_t dicom_transport_no_limit = UINT64_MAX;

/* The slowest average rate of a peer inside a command or an object. 32 associations that share a line of
 * 1 Mbit/s have as much each; a line that is slower still can be given a longer dimse_timeout_s. */
constexpr uint64_t dicom_transport_slowest_bytes_s = 4096;

/* dcmnet passes nothing of ours through to a connection, and an association has a thread of its own: so this
 * is the thread's association. */
struct dicom_transport_state {
    /* Bytes it may still read: none once an object is over its limit, few while a command is awaited, which
     * dcmnet keeps in memory whatever its size. shutdown(SHUT_RD) would not do: Linux goes on handing out
     * what has arrived. */
    uint64_t may_read = dicom_transport_no_limit;
    /* Whether dcmnet took the socket it was handed: when it finds the peer gone it neither takes nor closes
     * it. */
    bool socket_taken = false;
    /* Whether the peer fell silent inside a PDU: dcmnet wraps that in other conditions. */
    bool fell_silent = false;
    /* A peer that says a byte just before each time-out never falls silent. Time spent in waiting for it,
     * ours for the disk not counted, may be grace_ms and what the slowest rate needs for its bytes; 0: any.
     */
    int64_t grace_ms = 0, waited_ms = 0;
    uint64_t read_bytes = 0;
    bool too_slow = false;
    /* After our A-ABORT dcmnet waits the whole ACSE time-out for the peer to close, and anew for whatever it
     * says; who is aborted for saying nothing may well do nothing. Not 0: it waits until then at most. */
    int64_t part_by_ms = 0;
};
extern thread_local dicom_transport_state dicom_transport;

/* From here the peer has grace_ms and the time its bytes need. 0: no bound. */
void dicom_transport_time(int64_t grace_ms);
/* From here the peer has 2 s to close, whatever it says. */
void dicom_transport_part();

/* owns: dcmnet, when given with its flag to take it. */
DcmTransportLayer *dicom_transport_layer();

/* Blocking, without Nagle's algorithm. A peer that lost its power says nothing: after keepalive_s of silence
 * it is asked, three times. */
void dicom_transport_tune(int fd, int keepalive_s);

/* How long dcmnet may be kept inside one read or write, instead of its process-wide time-outs. */
void dicom_transport_patience(int fd, int seconds);

#endif
