#include "volume/volume.h"

#include <math.h>
#include <string.h>

/* Byte offsets in the header. source: nifti1.h. */
enum {
    AT_SIZE = 0,
    AT_DIM = 40,
    AT_DATATYPE = 70,
    AT_BITPIX = 72,
    AT_PIXDIM = 76,
    AT_VOX_OFFSET = 108,
    AT_SCALE_SLOPE = 112,
    AT_UNITS = 123,
    AT_QFORM_CODE = 252,
    AT_SFORM_CODE = 254,
    AT_QUATERN = 256,
    AT_QOFFSET = 268,
    AT_SROW = 280,
    AT_MAGIC = 344
};
enum { TYPE_FLOAT32 = 16, UNIT_MM = 2, CODE_SCANNER = 1, HEADER_BYTES = 348 };

static void put_short(unsigned char *header, int at, int value)
{
    header[at] = (unsigned char)(value & 0xFF);
    header[at + 1] = (unsigned char)(value >> 8 & 0xFF);
}

static void put_float(unsigned char *header, int at, double value)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof bits);
    for (int i = 0; i < 4; i++)
        header[at + i] = (unsigned char)(bits >> 8 * i & 0xFF);
}

/* Columns of `turn` are unit vectors of i, j, k in RAS. source: nifti1_io's mat44_to_quatern. */
static void put_quaternion(unsigned char *header, double turn[3][3])
{
    double trace = turn[0][0] + turn[1][1] + turn[2][2], q[4];
    if (trace > 0) {
        double s = 2 * sqrt(trace + 1);
        q[0] = s / 4;
        q[1] = (turn[2][1] - turn[1][2]) / s;
        q[2] = (turn[0][2] - turn[2][0]) / s;
        q[3] = (turn[1][0] - turn[0][1]) / s;
    } else { /* the largest diagonal element first */
        int i = turn[1][1] > turn[0][0] ? 1 : 0;
        i = turn[2][2] > turn[i][i] ? 2 : i;
        int j = (i + 1) % 3, k = (i + 2) % 3;
        double s = 2 * sqrt(fmax(1 + turn[i][i] - turn[j][j] - turn[k][k], 1e-12));
        q[0] = (turn[k][j] - turn[j][k]) / s;
        q[1 + i] = s / 4;
        q[1 + j] = (turn[j][i] + turn[i][j]) / s;
        q[1 + k] = (turn[k][i] + turn[i][k]) / s;
    }
    for (int i = 0; i < 3; i++) /* the first is understood to be positive */
        put_float(header, AT_QUATERN + 4 * i, q[0] < 0 ? -q[i + 1] : q[i + 1]);
}

void volume_nifti_header(const struct volume_geometry *geometry, unsigned char header[352])
{
    static const double ras_of_lps[3] = {-1, -1, 1};
    const double *steps[3] = {geometry->step_x_lps, geometry->step_y_lps, geometry->step_z_lps};
    double turn[3][3];
    memset(header, 0, VOLUME_NIFTI_HEADER_SIZE);
    put_short(header, AT_SIZE, HEADER_BYTES);
    put_short(header, AT_DIM, geometry->phases > 1 ? 4 : 3);
    for (int i = 0; i < 7; i++)
        put_short(header, AT_DIM + 2 + 2 * i, i < 3 ? geometry->zyx[2 - i] : i == 3 ? geometry->phases : 1);
    put_short(header, AT_DATATYPE, TYPE_FLOAT32);
    put_short(header, AT_BITPIX, 32);
    put_float(header, AT_PIXDIM, 1); /* qfac: our axes are right-handed */
    for (int i = 0; i < 3; i++)
        put_float(header, AT_PIXDIM + 4 + 4 * i, geometry->spacing_zyx_mm[2 - i]);
    put_float(header, AT_PIXDIM + 16, 1);
    put_float(header, AT_VOX_OFFSET, VOLUME_NIFTI_HEADER_SIZE);
    put_float(header, AT_SCALE_SLOPE, 1);
    header[AT_UNITS] = UNIT_MM;
    put_short(header, AT_QFORM_CODE, CODE_SCANNER);
    put_short(header, AT_SFORM_CODE, CODE_SCANNER);
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < 3; i++) {
            double step = ras_of_lps[row] * steps[i][row];
            put_float(header, AT_SROW + 16 * row + 4 * i, step);
            turn[row][i] = step / geometry->spacing_zyx_mm[2 - i];
        }
        double origin = ras_of_lps[row] * geometry->origin_lps[row];
        put_float(header, AT_SROW + 16 * row + 12, origin);
        put_float(header, AT_QOFFSET + 4 * row, origin);
    }
    put_quaternion(header, turn);
    memcpy(header + AT_MAGIC, "n+1", 4);
}
