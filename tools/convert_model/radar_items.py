"""RADAR's items: the keys of its shipped text vectors (organ_finding, Chinese) and their published English names.
source: github.com/alibaba-damo-academy/damo-radar, RADAR_inference (Apache-2.0)"""

ITEMS = {  # organ's id -> its name in the keys, {finding in the keys: English}
    "aorta": ("主动脉", {"主动脉夹层": "Aortic dissection", "主动脉瘤": "Aortic aneurysm", "粥样硬化": "Atherosclerosis",
                      "钙化": "Calcification"}),
    "duodenum": ("十二指肠", {"占位": "Mass", "囊袋状突出影": "Saccular outpouching", "憩室": "Diverticulum",
                          "梗阻": "Obstruction", "溃疡": "Ulcer"}),
    "large_bowel": ("大肠", {
        "克罗恩病": "Crohn's disease", "大肠（壁）钙化": "Mural calcification", "急慢性（结）肠炎": "Colitis",
        "浆膜面毛糙": "Serosal surface irregularity", "溃疡性结肠炎": "Ulcerative colitis", "直肠癌": "Rectal cancer",
        "积液积气": "Gas and fluid accumulation", "结肠癌": "Colon cancer", "肠壁毛糙": "Wall irregularity",
        "肠壁水肿": "Wall edema", "肠套叠": "Intussusception", "肠憩室": "Diverticulum", "肠梗阻": "Obstruction",
        "肠穿孔": "Perforation", "肠道扩张": "Dilatation", "脂肪间隙模糊": "Blurring of fat planes",
        "阑尾炎": "Appendicitis", "阑尾粪石": "Appendicolith"}),
    "small_bowel": ("小肠", {
        "克罗恩病": "Crohn's disease", "套叠": "Intussusception", "扭转": "Volvulus", "梗阻": "Obstruction",
        "淋巴瘤": "Lymphoma", "积气积液": "Gas and fluid accumulation", "系膜指膜炎": "Mesenteric panniculitis",
        "系膜淋巴结肿大": "Mesenteric lymphadenopathy", "肠壁增厚": "Wall thickening", "肠管扩张": "Dilatation",
        "脂肪瘤": "Lipoma", "间质瘤（胃肠间质瘤-gist）": "Gastrointestinal stromal tumor", "（急慢性）小肠炎": "Enteritis"}),
    "heart": ("心脏", {"心包积液": "Pericardial effusion", "心影（脏）增大": "Cardiomegaly"}),
    "rib": ("肋骨", {"转移瘤（乳腺癌 骨转移）": "Metastasis", "骨折": "Fracture", "骨质破坏": "Bone destruction"}),
    "liver": ("肝", {
        "低密度影": "Hypoattenuating lesion", "格林森鞘积液": "Periportal edema", "比例失调": "Lobar volume disproportion",
        "波浪状改变": "Undulating contour", "硬化": "Cirrhosis", "结节状强化": "Nodular enhancement",
        "肝内胆管扩张": "Intrahepatic bile duct dilatation", "肝内胆管结石": "Hepatolithiasis",
        "肝内钙化灶": "Intrahepatic calcification", "肝囊肿": "Cyst", "肝细胞癌": "Hepatocellular carcinoma",
        "肝胆管内高密度影": "Hyperattenuating lesion in intrahepatic bile ducts", "肝血管瘤": "Hemangioma",
        "胆管癌": "Intrahepatic cholangiocarcinoma", "脂肪肝": "Steatotic liver disease", "脓肿": "Abscess",
        "转移瘤": "Metastasis", "边缘不规则": "Irregular margin"}),
    "lung": ("肺", {
        "斑片影": "Patchy opacity", "气胸": "Pneumothorax", "结节": "Nodule", "肺占位": "Mass", "肺萎陷": "Pulmonary collapse",
        "胸腔积液": "Pleural effusion", "膨胀不全": "Atelectasis", "转移瘤": "Metastasis", "钙化灶": "Calcification",
        "高密度影": "Hyperattenuating opacity"}),
    "kidney": ("肾", {
        "低密度影": "Hypoattenuating lesion", "囊肿": "Cyst", "多囊肾": "Polycystic kidney disease",
        "实质变薄": "Parenchymal thinning", "无强化囊性灶": "Nonenhancing cystic lesion", "肾动脉瘤": "Renal artery aneurysm",
        "肾盂扩张": "Renal pelvic dilatation", "肾盂癌": "Renal pelvic cancer", "肾盂积水": "Hydronephrosis",
        "肾细胞癌（透明细胞癌）": "Renal cell carcinoma", "肾萎缩": "Atrophy", "肾血管平滑肌脂肪瘤": "Angiomyolipoma",
        "肾（盂）结石": "Nephrolithiasis", "高密度影": "Hyperattenuating lesion"}),
    "adrenal_gland": ("肾上腺", {"增生": "Hyperplasia", "结节": "Nodule", "脂肪瘤": "Lipoma", "腺瘤": "Adenoma",
                              "转移瘤": "Metastasis", "钙化": "Calcification"}),
    "stomach": ("胃", {"壁水肿": "Wall edema", "扩张": "Dilatation", "胃底静脉曲张": "Gastric fundal varices",
                      "胃溃疡": "Ulcer", "胃癌": "Gastric cancer",
                      "间质瘤（gist）": "Gastrointestinal stromal tumor (GIST)"}),
    "gallbladder": ("胆囊", {
        "结石": "Cholecystolithiasis", "结节状致密影": "Nodular stone-like hyperattenuating lesion",
        "胆囊增大": "Distention", "胆囊炎": "Cholecystitis", "胆囊癌": "Gallbladder cancer", "胆囊腺肌症": "Adenomyomatosis",
        "胆管壁增厚": "Extrahepatic bile duct wall thickening", "胆管扩张": "Extrahepatic bile duct dilatation",
        "胆管炎": "Cholangitis", "胆管癌": "Cholangiocarcinoma", "胆管积气": "Pneumobilia",
        "胆管结石": "Extrahepatic bile duct stone", "高密度影": "Hyperattenuating lesion",
        "黄色肉芽肿": "Xanthogranuloma", "术后胆囊缺失": "Surgically absent gallbladder"}),
    "pancreas": ("胰腺", {
        "低密度影": "Low-density lesion", "囊肿": "Cyst", "围脂肪间隙模糊": "Blurring of peripancreatic fat planes",
        "肿瘤或胰腺癌": "Pancreatic cancer", "胰周假性囊肿": "Peripancreatic pseudocyst",
        "胰管扩张": "Pancreatic duct dilatation", "胰管结石": "Pancreatic duct calculus", "胰腺炎": "Pancreatitis",
        "胰腺饱满": "Enlargement", "萎缩": "Atrophy"}),
    "spleen": ("脾", {"低密度灶": "Hypoattenuating lesion", "副脾": "Accessory spleen", "囊肿": "Cyst", "梗死": "Infarction",
                     "片状低密度区": "Patchy hypoattenuating lesion", "脾大": "Splenomegaly", "脾脏淋巴瘤": "Lymphoma",
                     "钙化": "Calcification"}),
    "bladder": ("膀胱", {"憩室": "Diverticulum", "结石": "Stone", "膀胱壁毛糙": "Wall irregularity", "膀胱炎": "Cystitis",
                       "膀胱癌": "Bladder cancer", "软组织密度影": "Soft-tissue attenuation lesion"}),
    "portal_vein": ("门静脉", {"增宽": "Dilatation", "栓塞": "Thrombosis", "高压": "Hypertension"}),
    "esophagus": ("食管", {"增粗迂曲血管影": "Dilated and tortuous tubular opacities", "管壁增厚": "Wall thickening",
                         "裂孔疝": "Hiatal hernia", "静脉扩张迂曲": "Dilated and tortuous veins", "静脉曲张": "Varices"}),
    "sacrum": ("骶骨", {"骨炎": "Osteitis"}),
}

# where conf/codes.json has a code for the same finding
IDS = {("aorta", "Aortic dissection"): "aortic_dissection", ("aorta", "Aortic aneurysm"): "aortic_aneurysm",
       ("aorta", "Calcification"): "aortic_wall_calcification",
       ("heart", "Pericardial effusion"): "pericardial_effusion", ("heart", "Cardiomegaly"): "cardiomegaly"}

BY_KEY = {f"{name}_{word}": (organ, text) for organ, (name, words) in ITEMS.items() for word, text in words.items()}
