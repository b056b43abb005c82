import torch

from recipes.nano.codes import CODEBOOK_SIZE, first_codes
from recipes.nano.compose.instruments import BASS, SECTIONS
from recipes.nano.factors import membership, share, unshare
from recipes.nano.model import ModelSettings, lm_config
from songloom.models.lm import LM


def test_codes_of_one_tone_share_what_they_have_in_common():
    table = membership(BASS)
    one, other = list(first_codes(BASS).values())[:2]
    assert table[one] @ table[one + 1] >= 3  # instrument, sound and pitch
    assert 2 <= table[one] @ table[other] < table[one] @ table[one]  # instrument and age
    assert table.sum(1)[: max(first_codes(BASS).values())].min() >= 1


def test_sums_become_plain_tables_that_give_the_same():
    torch.manual_seed(0)
    lm = LM(lm_config(ModelSettings(hidden_size=16, layers=1, heads=2, ffn_size=16, text_size=8)))
    plain = set(lm.state_dict())
    share(lm, 0.5, 0.5)
    tokens = torch.randint(CODEBOOK_SIZE + 1, (1, len(SECTIONS), 6))
    prefix = torch.zeros(1, 2, 16)
    before = lm(tokens, prefix)
    unshare(lm)
    assert set(lm.state_dict()) == plain
    torch.testing.assert_close(lm(tokens, prefix), before)
