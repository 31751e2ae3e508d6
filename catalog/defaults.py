"""The texts of a fresh catalogue. Curators edit them in the admin; seeding never writes over theirs."""

from __future__ import annotations

from dataclasses import dataclass

from catalog.models.guidance import UNDER_AGE
from inference.contracts import FaceType, RefusalReason


@dataclass(frozen=True, slots=True)
class TypeText:
    """id: the source system's. sentences: each stands alone; the mobile app shows the first three."""

    id: int
    code: FaceType
    letter: str
    name_ko: str
    name_en: str
    sentences_ko: tuple[str, ...]
    sentences_en: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GuidanceText:
    code: str
    message_ko: str
    message_en: str
    advice_ko: str
    advice_en: str


TYPE_TEXTS = (
    TypeText(
        id=1,
        code=FaceType.ALPHA,
        letter="Α",
        name_ko="알파",
        name_en="Alpha",
        sentences_ko=(
            "멀리서도 눈에 먼저 들어오는 시원한 첫인상이에요.",
            "이목구비의 선이 또렷하고 조화롭게 보이는 얼굴이에요.",
            "사진 한 장만으로도 화사한 분위기가 전해져요.",
            "재미로 보는 첫인상일 뿐이니 편하게 즐겨 주세요.",
        ),
        sentences_en=(
            "A face that catches the eye at first glance, even from across the room.",
            "Its lines tend to look clear and harmonious.",
            "A single photo is enough to give a bright, vivid impression.",
            "It is only a first impression, so enjoy it for fun.",
        ),
    ),
    TypeText(
        id=2,
        code=FaceType.BETA,
        letter="Β",
        name_ko="베타",
        name_en="Beta",
        sentences_ko=(
            "처음 보아도 산뜻하고 호감 가는 인상으로 비치는 얼굴이에요.",
            "눈매와 입매가 부드럽게 어울려 단정해 보여요.",
            "웃으면 사진 전체가 한층 밝아 보여요.",
            "재미로 보는 결과이니 친구와 함께 웃으며 나눠 보세요.",
        ),
        sentences_en=(
            "A fresh face that tends to leave a pleasant impression from the start.",
            "Eyes and mouth seem to go together in a neat, easy way.",
            "A smile makes the whole picture look brighter still.",
            "Take it lightly and compare it with friends for fun.",
        ),
    ),
    TypeText(
        id=3,
        code=FaceType.GAMMA,
        letter="Γ",
        name_ko="감마",
        name_en="Gamma",
        sentences_ko=(
            "자연스럽고 편안해서 오래 보아도 기분 좋은 인상이에요.",
            "어떤 머리 모양이나 옷차림과도 잘 어울려 보여요.",
            "각도와 표정에 따라 새로운 분위기가 보이는 얼굴이에요.",
            "재미로 보는 결과이니 오늘의 분위기로 가볍게 받아 주세요.",
        ),
        sentences_en=(
            "A natural look that stays pleasant however long one looks.",
            "It seems to suit almost any hairstyle and any outfit.",
            "New sides of it appear with every angle and expression.",
            "It is all in fun, so take it as the mood of the day.",
        ),
    ),
    TypeText(
        id=4,
        code=FaceType.DELTA,
        letter="Δ",
        name_ko="델타",
        name_en="Delta",
        sentences_ko=(
            "한 번 보면 기억에 남는 개성 있는 인상이에요.",
            "고유한 선이 얼굴에 이야기를 더해 주는 듯 보여요.",
            "사진마다 분위기가 살아 있어 다시 눈길이 가는 얼굴이에요.",
            "재미로 보는 결과이니 나만의 개성을 마음껏 즐겨 주세요.",
        ),
        sentences_en=(
            "A distinctive face that people remember after seeing it once.",
            "Its own particular lines seem to tell a story.",
            "Every photo of it has atmosphere, and eyes come back to it.",
            "Just for fun: enjoy the look that is yours alone.",
        ),
    ),
    TypeText(
        id=5,
        code=FaceType.OMEGA,
        letter="Ω",
        name_ko="오메가",
        name_en="Omega",
        sentences_ko=(
            "보는 사람의 마음이 놓이는 따뜻하고 포근한 인상이에요.",
            "부드러운 선 덕분에 누구에게나 다정하게 다가오는 얼굴이에요.",
            "눈길이 머물수록 정이 가고 또 보고 싶어져요.",
            "재미로 보는 결과이니 기분 좋은 미소로 받아 주세요.",
        ),
        sentences_en=(
            "A warm, gentle look that puts people at ease at once.",
            "Its soft lines come across as friendly to everyone.",
            "The charm seems to grow with every glance.",
            "It is only for fun, so take it with a smile.",
        ),
    ),
)

GUIDANCE_TEXTS = (
    GuidanceText(
        code=RefusalReason.NO_FACE,
        message_ko="사진에서 얼굴을 찾지 못했어요.",
        message_en="We could not find a face in this photo.",
        advice_ko="밝은 곳에서 정면을 바라보고 얼굴 전체가 나오게 다시 찍어 주세요.",
        advice_en="Face the camera in good light and take another photo with your whole face in it.",
    ),
    GuidanceText(
        code=RefusalReason.MULTIPLE_FACES,
        message_ko="사진에 얼굴이 여러 개 보여요.",
        message_en="There is more than one face in this photo.",
        advice_ko="한 사람만 나온 사진을 골라 주세요.",
        advice_en="Choose a photo that shows one person only.",
    ),
    GuidanceText(
        code=RefusalReason.FACE_TOO_SMALL,
        message_ko="얼굴이 너무 작게 나왔어요.",
        message_en="The face in this photo is too small to read.",
        advice_ko="카메라에 조금 더 가까이 다가가서 다시 찍어 주세요.",
        advice_en="Move a little closer to the camera and take another photo.",
    ),
    GuidanceText(
        code=RefusalReason.FACE_CUT_OFF,
        message_ko="얼굴 일부가 사진 밖으로 나갔어요.",
        message_en="Part of the face is outside the photo.",
        advice_ko="이마부터 턱까지 얼굴 전체가 들어오게 다시 찍어 주세요.",
        advice_en="Take another photo with the whole face in it, from forehead to chin.",
    ),
    GuidanceText(
        code=RefusalReason.FACE_COVERED,
        message_ko="얼굴 일부가 가려져 있어요.",
        message_en="Part of the face is covered.",
        advice_ko="마스크나 선글라스를 벗고, 손이나 머리카락이 얼굴을 가리지 않게 찍어 주세요.",
        advice_en="Take off a mask or sunglasses, and keep hands and hair away from the face.",
    ),
    GuidanceText(
        code=RefusalReason.FACE_TURNED_AWAY,
        message_ko="얼굴이 카메라를 향하고 있지 않아요.",
        message_en="The face is turned away from the camera.",
        advice_ko="카메라를 똑바로 바라보고 다시 찍어 주세요.",
        advice_en="Look straight into the camera and take another photo.",
    ),
    GuidanceText(
        code=RefusalReason.PARTS_NOT_FOUND,
        message_ko="얼굴의 각 부분을 또렷하게 찾지 못했어요.",
        message_en="We could not make out all parts of the face.",
        advice_ko="정면에서 눈, 코, 입이 모두 잘 보이게 다시 찍어 주세요.",
        advice_en="Take another photo from the front, with eyes, nose and mouth clearly visible.",
    ),
    GuidanceText(
        code=RefusalReason.TOO_DARK,
        message_ko="사진이 너무 어두워요.",
        message_en="This photo is too dark.",
        advice_ko="빛이 얼굴을 고르게 비추는 밝은 곳에서 다시 찍어 주세요.",
        advice_en="Take another photo in a bright place, with even light on the face.",
    ),
    GuidanceText(
        code=RefusalReason.TOO_BLURRY,
        message_ko="사진이 흐릿해요.",
        message_en="This photo is too blurry.",
        advice_ko="렌즈를 닦고 카메라가 흔들리지 않게 잡은 뒤 다시 찍어 주세요.",
        advice_en="Wipe the lens, hold the camera still and take another photo.",
    ),
    GuidanceText(
        code=UNDER_AGE,
        message_ko="아직 이 서비스를 이용할 수 있는 나이가 아니에요.",
        message_en="This service is only for people who have reached its minimum age.",
        advice_ko="조금 더 자란 뒤에 다시 만나요.",
        advice_en="We look forward to seeing you when you are a little older.",
    ),
)
