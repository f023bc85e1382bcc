"""Who looks at images: makers that read an emotion, recognise a class, embed an image, or say whether it is safe."""

from corpusmith.models.perceivers.chat import VisionChat as VisionChat
from corpusmith.models.perceivers.classifiers import Classifier as Classifier
from corpusmith.models.perceivers.classifiers import Safety as Safety
from corpusmith.models.perceivers.classifiers import Tagger as Tagger
from corpusmith.models.perceivers.clip import Embedder as Embedder
from corpusmith.models.perceivers.clip import TextSimilarity as TextSimilarity
from corpusmith.models.perceivers.clip import ZeroShot as ZeroShot
from corpusmith.models.perceivers.objects import Recognizer as Recognizer
from corpusmith.models.perceivers.readings import READING as READING
