"""The final tables: filled once from the staging ones, when this is imported."""

from lightx2v_platform import registry_factory as staging
from lightx2v_platform.registry_factory import Table

MM_WEIGHT_REGISTER, ATTN_WEIGHT_REGISTER, RMS_WEIGHT_REGISTER = Table(Default=object), Table(), Table()
LN_WEIGHT_REGISTER, ROPE_REGISTER = Table(), Table()

ATTN_WEIGHT_REGISTER.merge(staging.PLATFORM_ATTN_WEIGHT_REGISTER)
MM_WEIGHT_REGISTER.merge(staging.PLATFORM_MM_WEIGHT_REGISTER)
RMS_WEIGHT_REGISTER.merge(staging.PLATFORM_RMS_WEIGHT_REGISTER)
LN_WEIGHT_REGISTER.merge(staging.PLATFORM_LAYERNORM_WEIGHT_REGISTER)
ROPE_REGISTER.merge(staging.PLATFORM_ROPE_REGISTER)
