/* What a shape is made of. What a scanner sees of it is the scan's matter: a
 * palette holds a grey value a tissue. */
#ifndef PHANTOM_TISSUE_H
#define PHANTOM_TISSUE_H

enum tissue {
    TISSUE_AIR,
    TISSUE_TABLE,
    TISSUE_SKIN,
    TISSUE_FAT,
    TISSUE_MUSCLE,
    TISSUE_LUNG,
    TISSUE_LUNG_VESSEL,
    TISSUE_AIRWAY,
    TISSUE_CORTEX,
    TISSUE_MARROW,
    TISSUE_DISC,
    TISSUE_CARTILAGE,
    TISSUE_NERVE, /* spinal canal */
    TISSUE_LIVER,
    TISSUE_LIVER_VESSEL,
    TISSUE_SPLEEN,
    TISSUE_STOMACH,
    TISSUE_OESOPHAGUS,
    TISSUE_PERICARDIUM,
    TISSUE_FLUID, /* pericardial */
    TISSUE_HEART_FAT,
    TISSUE_MYOCARDIUM,
    TISSUE_VALVE,
    TISSUE_LEFT_BLOOD,  /* left atrium and ventricle, pulmonary veins */
    TISSUE_RIGHT_BLOOD, /* right atrium and ventricle */
    TISSUE_PULMONARY_BLOOD,
    TISSUE_AORTIC_BLOOD,
    TISSUE_SUPERIOR_BLOOD, /* superior vena cava: where contrast arrives */
    TISSUE_INFERIOR_BLOOD,
    TISSUE_VESSEL_WALL,
    TISSUE_CORONARY_BLOOD,
    TISSUE_PLAQUE,
    TISSUE_CALCIUM,
    TISSUE_SCAR,
    TISSUE_COUNT
};

#endif
