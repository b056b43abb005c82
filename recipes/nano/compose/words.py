"""The words for what is in a piece: musicians' and laymen's."""

INSTRUMENTS = {
    "piano": ("piano", "grand piano", "acoustic piano", "keys"),
    "electric piano": ("electric piano", "rhodes", "e-piano", "fender rhodes"),
    "vibraphone": ("vibraphone", "vibes", "mallets"),
    "marimba": ("marimba", "wooden mallets", "marimbas"),
    "acoustic guitar": ("acoustic guitar", "steel string guitar", "strummed guitar", "guitar"),
    "electric guitar": ("electric guitar", "clean electric guitar", "guitar lead", "guitar"),
    "strings": ("strings", "string section", "violins", "string ensemble", "orchestral strings"),
    "saxophone": ("saxophone", "sax", "alto sax"),
    "flute": ("flute", "flutes", "wooden flute"),
    "trumpet": ("trumpet", "brass", "horn", "trumpets"),
    "synth lead": ("synth lead", "lead synth", "sawtooth lead", "synthesizer", "synth"),
    "synth pad": ("synth pad", "warm pad", "pads", "pad", "atmospheric synth"),
    "acoustic bass": ("acoustic bass", "upright bass", "double bass", "contrabass"),
    "electric bass": ("electric bass", "bass guitar", "fingered bass", "bass"),
    "synth bass": ("synth bass", "bass synth", "sub bass", "electronic bass"),
    "acoustic drums": ("acoustic drums", "drum kit", "live drums", "drums", "drum set"),
    "electronic drums": ("electronic drums", "drum machine", "808 drums", "beats", "drums"),
}
STYLES = {
    "rock": ("rock", "rock band", "guitar rock", "indie rock", "classic rock"),
    "techno": ("techno", "club techno", "rave", "electronic dance music", "edm"),
    "house": ("house", "house music", "deep house", "dance music", "edm"),
    "synth-pop": ("synth-pop", "80s pop", "synthwave", "electro pop", "pop"),
    "hip hop": ("hip hop", "hip-hop", "rap beat", "trap", "boom bap"),
    "lo-fi": ("lo-fi", "lofi hip hop", "chillhop", "lofi beat", "chill beats"),
    "funk": ("funk", "funky groove", "soul funk", "groovy funk"),
    "bossa nova": ("bossa nova", "bossa", "latin jazz", "brazilian", "latin"),
    "jazz": ("jazz", "swing jazz", "jazz combo", "bebop", "jazz quartet"),
    "reggae": ("reggae", "dub", "roots reggae", "ska"),
    "ballad": ("ballad", "romantic ballad", "love song", "slow ballad"),
    "folk": ("folk", "folk song", "country folk", "country", "singer-songwriter"),
    "classical": ("classical", "chamber music", "classical piece", "baroque"),
    "march": ("march", "marching band", "military march", "parade music"),
    "ambient": ("ambient", "ambient soundscape", "meditation music", "new age", "drone"),
    "solo": ("solo", "unaccompanied", "solo performance"),
}
MOODS = {  # (bright mode, fast)
    (True, True): ("happy", "cheerful", "joyful", "uplifting", "playful", "sunny", "upbeat"),
    (True, False): ("warm", "gentle", "peaceful", "tender", "dreamy", "hopeful", "relaxing"),
    (False, True): ("dark", "driving", "intense", "tense", "restless", "urgent", "dramatic"),
    (False, False): ("sad", "melancholic", "moody", "lonely", "mysterious", "somber", "nostalgic"),
}
FULL = ("energetic", "full", "punchy", "powerful")  # bands with drums and bass
SPARSE = ("calm", "quiet", "intimate", "soft", "minimal", "simple")  # without drums
BUSY = ("busy melody", "fast notes", "lively melody", "lots of notes", "virtuosic")
CALM = ("long notes", "sparse melody", "slow melody", "simple melody", "sustained melody")
TEMPOS = {  # frames of an eighth
    4: ("very fast", "extremely fast", "presto", "frantic tempo"),
    5: ("very fast", "fast", "high tempo", "vivace"),
    6: ("fast", "upbeat tempo", "lively tempo", "allegro"),
    7: ("medium tempo", "moderate tempo", "mid-tempo", "moderato"),
    8: ("medium tempo", "moderate tempo", "relaxed tempo", "andante"),
    9: ("slow", "slow tempo", "laid-back", "relaxed tempo"),
    10: ("slow", "slow tempo", "unhurried", "adagio"),
    11: ("very slow", "slow", "slow tempo", "lento"),
    12: ("very slow", "extremely slow", "slow", "largo"),
}
NO_DRUMS = ("no drums", "without drums", "drumless", "no percussion")
NO_BASS = ("no bass", "without bass")
INTRO = ("with an intro", "starts with an intro", "intro", "begins without the melody")
ENDING = ("with an ending", "ending", "outro", "comes to an end", "final bars")
ENHARMONIC = {"C#": "Db", "Eb": "D#", "F#": "Gb", "Ab": "G#", "Bb": "A#"}
TRACK = ("track", "song", "piece", "tune", "music", "instrumental", "loop")
