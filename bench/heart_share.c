/* heart-share: how much of a CT phantom's heart, all within its pericardium, lies in a box.
 *
 * Reads lines "SEED mitral x y z  low x y z  high x y z" from standard input, in LPS mm; the place of the
 * mitral valve as truth.json has it says where the scanner's origin is. Writes "SHARE HEART_ML" for each,
 * counted on a grid of 2 mm in the heart's own frame. */
#include "findings.h"
#include "heart.h"
#include "patient.h"
#include "study.h"

#include <inttypes.h>
#include <stdio.h>

static bool read_vec(struct vec *ret)
{
    return scanf("%lf %lf %lf", &ret->x, &ret->y, &ret->z) == 3;
}

static bool within(struct vec at, struct vec low, struct vec high)
{
    return at.x >= low.x && at.x <= high.x && at.y >= low.y && at.y <= high.y && at.z >= low.z &&
           at.z <= high.z;
}

static void share(uint64_t seed, struct vec mitral, struct vec low, struct vec high)
{
    enum { STEP = 2 };
    struct findings findings = findings_drawn(KIND_CT, seed);
    struct patient patient = patient_drawn(KIND_CT, seed, &findings);
    struct heart heart;
    heart_solve(&patient);
    heart_at(&patient, STUDY_CT_CONTRACTION, &heart);
    struct vec shift = vec_from(frame_point(&patient.heart, 0, 0, heart.base_mm), mitral);
    const struct shape *sac = &heart.sac;
    long all = 0, inside = 0;
    float xyz[3];
    for (xyz[2] = sac->low[2]; xyz[2] < sac->high[2]; xyz[2] += STEP)
        for (xyz[1] = sac->low[1]; xyz[1] < sac->high[1]; xyz[1] += STEP)
            for (xyz[0] = sac->low[0]; xyz[0] < sac->high[0]; xyz[0] += STEP) {
                if (sac->distance(sac, xyz) >= 0)
                    continue;
                struct vec at = frame_point(&sac->frame, (double)xyz[0], (double)xyz[1], (double)xyz[2]);
                all++;
                inside += within(vec_sum(at, shift), low, high);
            }
    printf("%.5f %.1f\n", (double)inside / (double)all, (double)all * STEP * STEP * STEP / 1000);
}

int main(void)
{
    uint64_t seed;
    struct vec mitral, low, high;
    while (scanf("%" SCNu64, &seed) == 1) {
        if (!read_vec(&mitral) || !read_vec(&low) || !read_vec(&high))
            return 1;
        share(seed, mitral, low, high);
    }
    return 0;
}
