#include "mr_maker.h"

// clang-format off
const struct mr_maker mr_makers[] = {
    {{"SIEMENS", "MAGNETOM Aera", "syngo MR E11", "MRC01"}, "Herz^Funktion LGE", "localizer",
     {"cine_tf2d_sax", "cine_tf2d_2ch", "cine_tf2d_3ch", "cine_tf2d_4ch"},
     {"lge_psir_sax", "lge_psir_2ch", "lge_psir_3ch", "lge_psir_4ch"},
     "ORIGINAL\\PRIMARY\\M\\RETRO\\NORM\\DIS2D", "ORIGINAL\\PRIMARY\\M\\NORM\\DIS2D",
     "ORIGINAL\\PRIMARY\\PSIR\\NORM\\DIS2D", "ORIGINAL\\PRIMARY\\M\\NORM\\DIS2D",
     "GR", "GR\\IR", "SK\\SS", "SK\\SP\\MP", "PFP\\CG", "IR\\CG", "*tfi2d1_14", "*tfl2d1_25", true, false, true, 1.5, 0},
    {{"GE MEDICAL SYSTEMS", "SIGNA Artist", "29\\LX\\MR Software release:DV29.1", "GEMR2"}, "CARDIAC W CONTRAST", "3 Pl Loc SSFSE",
     {"SAX FIESTA CINE", "2CH FIESTA CINE", "3CH FIESTA CINE", "4CH FIESTA CINE"},
     {"SAX MDE", "2CH MDE", "3CH MDE", "4CH MDE"},
     "ORIGINAL\\PRIMARY\\OTHER", "ORIGINAL\\PRIMARY\\OTHER", "ORIGINAL\\PRIMARY\\OTHER", "ORIGINAL\\PRIMARY\\OTHER",
     "GR", "GR\\IR", "SS\\SK", "SK\\SP\\MP", "FAST_GEMS\\CG", "IR_GEMS\\CG", NULL, NULL, false, false, false, 1.5, 0},
    {{"Philips Medical Systems", "Ingenia", "5.6.1\\5.6.1.1", "PHILIPS-8E"}, "MRI Cardiac", "Survey",
     {"sBTFE_BH_SA", "sBTFE_BH_2CH", "sBTFE_BH_3CH", "sBTFE_BH_4CH"},
     {"LGE_SA_IR_TFE", "LGE_2CH_IR_TFE", "LGE_3CH_IR_TFE", "LGE_4CH_IR_TFE"},
     "ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE", "ORIGINAL\\PRIMARY\\M_IR\\M\\IR", "ORIGINAL\\PRIMARY\\M_IR\\M\\IR",
     "ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE",
     "GR", "GR\\IR", "SS\\SK", "SK\\MP", "CG\\RG", "CG", NULL, NULL, false, true, false, 3, 1.72},
    {{"Canon Medical Systems", "Vantage Orian", "V6.0SP1105", "ORIAN"}, "CARDIAC MR", "Locator",
     {"CINE SA", "CINE 2CH", "CINE 3CH LVOT", "CINE 4CH"},
     {"DELAYED ENH SA", "DELAYED ENH 2CH", "DELAYED ENH 3CH", "DELAYED ENH 4CH"},
     "ORIGINAL\\PRIMARY\\M", "ORIGINAL\\PRIMARY\\M", "ORIGINAL\\PRIMARY\\M", "ORIGINAL\\PRIMARY\\M",
     "GR", "GR\\IR", "SS\\SK", "SP\\MP", "CG", "CG", NULL, NULL, false, false, false, 1.5, 0},
};
// clang-format on

const int mr_maker_count = sizeof mr_makers / sizeof mr_makers[0];
