from classification.models.batch_result import BatchResult
from classification.models.classification import (
    MBTI_CODES,
    Classification,
    Client,
    IdempotentRequest,
    PartRecord,
)
from classification.models.comparing import Board, BoardMember, Comparison
from classification.models.daily_count import DailyCount
from classification.models.sharing import ShareLink

__all__ = [
    "MBTI_CODES",
    "BatchResult",
    "Board",
    "BoardMember",
    "Classification",
    "Client",
    "Comparison",
    "DailyCount",
    "IdempotentRequest",
    "PartRecord",
    "ShareLink",
]
