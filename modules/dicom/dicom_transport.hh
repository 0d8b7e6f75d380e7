/* What dcmnet reads from when we accept: a connection that can be told to stop. Private to modules/dicom. */
#ifndef DICOM_TRANSPORT_HH
#define DICOM_TRANSPORT_HH

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmnet/dcmlayer.h>

#include <cstdint>

constexpr uint64_t dicom_transport_no_limit = UINT64_MAX;

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
    /* After our A-ABORT dcmnet waits the whole ACSE time-out for the peer to close; who is aborted for saying
     * nothing may well do nothing. While this is set it waits 2 s. */
    bool parting = false;
};
extern thread_local dicom_transport_state dicom_transport;

/* owns: dcmnet, when given with its flag to take it. */
DcmTransportLayer *dicom_transport_layer();

/* Blocking, without Nagle's algorithm. A peer that lost its power says nothing: after keepalive_s of silence
 * it is asked, three times. */
void dicom_transport_tune(int fd, int keepalive_s);

#endif
