/* The daemon's INI file. */
#include "daemon/config.h"
#include "fuzz.h"

static void check_peers(const struct config *config)
{
    fuzz_must(config->peer_count >= 0 && config->peer_count <= CONFIG_MAX_PEERS, "peers are bounded");
    for (int i = 0; i < config->peer_count; i++) {
        const struct config_peer *peer = &config->peers[i];
        fuzz_touch_text(peer->name, sizeof peer->name);
        fuzz_touch_text(peer->ae_title, sizeof peer->ae_title);
        fuzz_touch_text(peer->address, sizeof peer->address);
        fuzz_must(peer->name[0] && peer->ae_title[0] && peer->address[0], "a peer has a name and a place");
        fuzz_must(peer->port >= 1 && peer->port <= 65535, "a port is one");
    }
}

static void check_models(const struct config *config)
{
    fuzz_must(config->model_count >= 0 && config->model_count <= CONFIG_MAX_MODELS, "models are bounded");
    for (int i = 0; i < config->model_count; i++) {
        const struct config_model *model = &config->models[i];
        fuzz_touch_text(model->name, sizeof model->name);
        fuzz_touch_text(model->folder, sizeof model->folder);
        fuzz_touch_text(model->description_match, sizeof model->description_match);
        fuzz_must(model->name[0] && model->folder[0], "a model has a name and a folder");
    }
}

static void check_texts(const struct config *config)
{
    fuzz_touch_text(config->path, sizeof config->path);
    fuzz_touch_text(config->service.state_folder, sizeof config->service.state_folder);
    fuzz_touch_text(config->service.station_name, sizeof config->service.station_name);
    fuzz_touch_text(config->service.intended_use, sizeof config->service.intended_use);
    fuzz_touch_text(config->service.codes_file, sizeof config->service.codes_file);
    fuzz_touch_text(config->service.series_file, sizeof config->service.series_file);
    fuzz_touch_text(config->service.log_level, sizeof config->service.log_level);
    fuzz_touch_text(config->listener.address, sizeof config->listener.address);
    fuzz_touch_text(config->listener.ae_title, sizeof config->listener.ae_title);
    fuzz_touch_text(config->listener.refused_classes, sizeof config->listener.refused_classes);
    fuzz_touch_text(config->pool.worker_file, sizeof config->pool.worker_file);
    fuzz_touch_text(config->api.address, sizeof config->api.address);
    fuzz_touch_text(config->api.token_sha256, sizeof config->api.token_sha256);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct err err = ERR_INIT;
    struct config *config = config_load(fuzz_file(bytes, size), &err);
    if (!config) {
        fuzz_must_refuse(&err);
        return 0;
    }
    check_texts(config);
    check_peers(config);
    check_models(config);
    fuzz_must(config->pool.workers >= 1 && config->pool.workers <= 64, "workers are bounded");
    config_free(config);
    return 0;
}
