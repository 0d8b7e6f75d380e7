/* conf/series.json as it was when this was built. Private to modules/pipeline. */
#ifndef PIPELINE_SERIES_DEFAULT_H
#define PIPELINE_SERIES_DEFAULT_H

extern const char series_default[];

#endif
