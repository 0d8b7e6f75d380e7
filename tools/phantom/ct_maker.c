#include "ct_maker.h"

// clang-format off
const struct ct_maker ct_makers[] = {
    {{"SIEMENS", "SOMATOM Force", "syngo CT VB20A", "CT01"}, "Herz^CoronaryCTA (Adult)",
     {{"Topogram 0.6 Tr20", "CoronaryCTA", "ORIGINAL\\PRIMARY\\LOCALIZER\\CT_SOM5 TOP", "Tr20f", "", 0.6, 0.6},
      {"CaScore 3.0 Qr36 3 60%", "CoronaryCTA", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SEQ", "Qr36d\\3", "", 3, 3},
      {"Monitoring 10.0 Br36", "CoronaryCTA", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SEQ", "Br36f", "", 10, 10},
      {"CorCTA 1.0 Bv40 3 BestDiast 75 %", "CoronaryCTA", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI", "Bv40d\\3",
       "TP75PC", 1, 1},
      {"Thorax 3.0 Bl57 3 Lung", "CoronaryCTA", "ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI", "Bl57d\\3", "", 3, 3}},
     false, false, 12, 0, -1024},
    {{"GE MEDICAL SYSTEMS", "Revolution CT", "revo_ct_22bc.50", "ge-ct2"}, "CTA CORONARY",
     {{"Scout", "5.1 Cardiac Gated", "ORIGINAL\\PRIMARY\\LOCALIZER", "", "SCOUT MODE", 0.625, 0.625},
      {"SmartScore", "5.1 Cardiac Gated", "ORIGINAL\\PRIMARY\\AXIAL", "STANDARD", "AXIAL MODE", 2.5, 2.5},
      {"SmartPrep Series", "5.1 Cardiac Gated", "ORIGINAL\\PRIMARY\\AXIAL", "STANDARD", "AXIAL MODE", 5, 5},
      {"SnapShot Pulse 75%", "5.1 Cardiac Gated", "ORIGINAL\\PRIMARY\\AXIAL", "STANDARD", "CINE MODE\\CARDIAC GATED",
       1.25, 1},
      {"Lung 2.5", "5.1 Cardiac Gated", "ORIGINAL\\PRIMARY\\AXIAL", "LUNG", "CINE MODE", 2.5, 2.5}},
     true, true, 16, -2000, -1024},
    {{"Philips", "iCT 256", "4.1.6", "HOST-7352"}, "Cardiac^Coronary CTA",
     {{"Surview", "Coronary CTA", "ORIGINAL\\PRIMARY\\LOCALIZER", "", "SURVIEW", 1, 1},
      {"Calcium Scoring 3mm", "Calcium Score", "ORIGINAL\\PRIMARY\\AXIAL", "XCA", "AXIAL", 3, 3},
      {"Tracker", "Coronary CTA", "ORIGINAL\\PRIMARY\\AXIAL", "B", "AXIAL", 5, 5},
      {"CTA Coronary 75%", "Coronary CTA", "ORIGINAL\\PRIMARY\\AXIAL", "XCB", "HELIX", 0.9, 0.9},
      {"Chest Lung YB", "Coronary CTA", "ORIGINAL\\PRIMARY\\AXIAL", "YB", "HELIX", 3, 3}},
     false, false, 12, 0, -1024},
    {{"Canon Medical Systems", "Aquilion ONE", "V10.10ER003", "CT320"}, "Heart CTA",
     {{"Scanogram", "CTA Prosp", "ORIGINAL\\PRIMARY\\LOCALIZER", "FL03", "SCANOSCOPE", 2, 2},
      {"Ca Score Vol. 3.0", "CTA Prosp", "ORIGINAL\\PRIMARY\\AXIAL", "FC12", "DVOLUME_CT", 3, 3},
      {"SureStart", "CTA Prosp", "ORIGINAL\\PRIMARY\\AXIAL", "FC13", "SURESTART", 4, 4},
      {"Cardiac CTA 1.0 75%", "CTA Prosp", "ORIGINAL\\PRIMARY\\AXIAL", "FC43", "DVOLUME_CT", 1, 1},
      {"Lung 3.0 CE", "CTA Prosp", "ORIGINAL\\PRIMARY\\AXIAL", "FC52", "DVOLUME_CT", 3, 3}},
     true, false, 16, 0, 0},
};
// clang-format on

const int ct_maker_count = sizeof ct_makers / sizeof ct_makers[0];
