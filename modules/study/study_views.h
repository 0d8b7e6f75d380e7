/* Which view of the heart each stack of an MR study shows, and which stack serves as which view.
 *
 * Planes are told by words of the description when it names exactly one, else by geometry: the short-axis
 * normal is that of the described short-axis stack with the most positions that lies as a human left
 * ventricle does; else of the cine or late enhancement stack of three positions or more that does, of which
 * nothing else is said; else of a described one that does not, and then long axes are not told apart.
 * docs/volumes.md, section "Views". */
#ifndef STUDY_STUDY_VIEWS_H
#define STUDY_STUDY_VIEWS_H

#include "study/study.h"
#include "study/study_words.h"

/* What is known of one stack. */
struct study_look {
    enum study_plane plane;
    const char *how;     /* "description" or "geometry"; NULL with STUDY_PLANE_NONE */
    int phase_sensitive; /* reconstruction of an inversion recovery: 0 magnitude or unknown, 1 as described, 2
                            as the image type says */
    int positions;       /* slice positions */
};

/* in:  a choice as study_choose gives it, for "MR". out: *ret [stack_count] in arena, in order of the stacks.
 * errors: ERR_NOMEM. */
bool study_views_look(const struct study_choice *choice, struct arena *arena, struct study_look **ret,
                      struct err *err);

/* The views there are, by name; ends with NULL. A number of a view is its index here. */
extern const char *const study_view_names[];
enum { STUDY_VIEW_COUNT = 10 };
bool study_view_is_cine(int view);

/* The stacks that show a view, best first: no stray, its plane ("lax": 4-chamber before others), most
 * phase-sensitive (or least), best standing by the rules, most positions, most frames, lowest series. Stacks
 * marked in `taken` are left out.
 * out: *ret: their indices, in arena. returns how many, or -1 when there is no memory. */
int study_views_candidates(const struct study_choice *choice, const struct study_look *looks, int view,
                           bool phase_sensitive, const bool *taken, struct arena *arena, int **ret);

/* Does a normal point from base to apex, as far as hearts lie as usual? So that slices have one order. */
bool study_views_to_apex(const double normal_lps[3]);

#endif
