import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Celebrity',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name_ko', models.CharField(max_length=80, verbose_name='name (Korean)')),
                ('name_en', models.CharField(max_length=80, verbose_name='name (English)')),
                ('is_sample', models.BooleanField(default=False, editable=False, help_text='An imaginary person, drawn for a fresh catalogue.', verbose_name='sample')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='updated')),
            ],
            options={
                'verbose_name': 'celebrity',
                'verbose_name_plural': 'celebrities',
                'ordering': ['name_en', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='FaceType',
            fields=[
                ('id', models.PositiveSmallIntegerField(primary_key=True, serialize=False, verbose_name='id')),
                ('code', models.CharField(choices=[('alpha', 'Alpha'), ('beta', 'Beta'), ('gamma', 'Gamma'), ('delta', 'Delta'), ('omega', 'Omega')], max_length=10, unique=True, verbose_name='code')),
                ('letter', models.CharField(help_text='The Greek capital letter.', max_length=1, verbose_name='letter')),
                ('rank', models.PositiveSmallIntegerField(help_text='1 is the first type.', unique=True, verbose_name='rank')),
                ('name_ko', models.CharField(max_length=40, verbose_name='name (Korean)')),
                ('name_en', models.CharField(max_length=40, verbose_name='name (English)')),
                ('description_ko', models.TextField(help_text='One sentence a line, at least three; the mobile app shows the first three.', verbose_name='description (Korean)')),
                ('description_en', models.TextField(help_text='One sentence a line, at least three; the mobile app shows the first three.', verbose_name='description (English)')),
            ],
            options={
                'verbose_name': 'face type',
                'verbose_name_plural': 'face types',
                'ordering': ['rank'],
                'constraints': [models.CheckConstraint(condition=models.Q(('id__range', (1, 5))), name='facetype_id_1_to_5'), models.CheckConstraint(condition=models.Q(('rank__range', (1, 5))), name='facetype_rank_1_to_5')],
            },
        ),
        migrations.CreateModel(
            name='Guidance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(choices=[('no_face', 'no_face'), ('multiple_faces', 'multiple_faces'), ('face_too_small', 'face_too_small'), ('face_cut_off', 'face_cut_off'), ('face_covered', 'face_covered'), ('face_turned_away', 'face_turned_away'), ('parts_not_found', 'parts_not_found'), ('too_dark', 'too_dark'), ('too_blurry', 'too_blurry'), ('under_age', 'under_age')], max_length=30, unique=True, verbose_name='code')),
                ('message_ko', models.CharField(max_length=200, verbose_name='reason (Korean)')),
                ('message_en', models.CharField(max_length=200, verbose_name='reason (English)')),
                ('advice_ko', models.CharField(max_length=200, verbose_name='advice (Korean)')),
                ('advice_en', models.CharField(max_length=200, verbose_name='advice (English)')),
            ],
            options={
                'verbose_name': 'guidance',
                'verbose_name_plural': 'guidance',
                'ordering': ['code'],
                'constraints': [models.CheckConstraint(condition=models.Q(('code__in', ('no_face', 'multiple_faces', 'face_too_small', 'face_cut_off', 'face_covered', 'face_turned_away', 'parts_not_found', 'too_dark', 'too_blurry', 'under_age'))), name='guidance_code_known')],
            },
        ),
        migrations.CreateModel(
            name='ScoringPolicy',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, verbose_name='name')),
                ('is_active', models.BooleanField(default=False, editable=False, verbose_name='active')),
                ('weight_whole_face', models.FloatField(verbose_name='whole face')),
                ('weight_upper_face', models.FloatField(verbose_name='upper face')),
                ('weight_lower_face', models.FloatField(verbose_name='lower face')),
                ('factor_alpha', models.FloatField(verbose_name='Alpha')),
                ('factor_beta', models.FloatField(verbose_name='Beta')),
                ('factor_gamma', models.FloatField(verbose_name='Gamma')),
                ('factor_delta', models.FloatField(verbose_name='Delta')),
                ('factor_omega', models.FloatField(verbose_name='Omega')),
                ('threshold_alpha', models.FloatField(verbose_name='Alpha above')),
                ('threshold_beta', models.FloatField(verbose_name='Beta above')),
                ('threshold_gamma', models.FloatField(verbose_name='Gamma above')),
                ('threshold_delta', models.FloatField(verbose_name='Delta above')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='updated')),
            ],
            options={
                'verbose_name': 'scoring policy',
                'verbose_name_plural': 'scoring policies',
                'ordering': ['-is_active', '-pk'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('is_active', True)), fields=('is_active',), name='scoringpolicy_one_active'), models.CheckConstraint(condition=models.Q(('weight_whole_face__gte', 0), ('weight_upper_face__gte', 0), ('weight_lower_face__gte', 0)), name='scoringpolicy_weights_not_negative', violation_error_message="A part's weight cannot be negative."), models.CheckConstraint(condition=models.Q(django.db.models.lookups.GreaterThanOrEqual(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('weight_whole_face'), '+', models.F('weight_upper_face')), '+', models.F('weight_lower_face')), 99.999999), django.db.models.lookups.LessThanOrEqual(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('weight_whole_face'), '+', models.F('weight_upper_face')), '+', models.F('weight_lower_face')), 100.000001)), name='scoringpolicy_weights_sum_to_100', violation_error_message='The three weights must add up to 100.'), models.CheckConstraint(condition=models.Q(('factor_alpha__lte', 1), ('factor_beta__lte', models.F('factor_alpha')), ('factor_gamma__lte', models.F('factor_beta')), ('factor_delta__lte', models.F('factor_gamma')), ('factor_omega__lte', models.F('factor_delta')), ('factor_omega__gte', 0)), name='scoringpolicy_factors_descend', violation_error_message='The factors must not rise from Alpha to Omega, and stay within 0 and 1.'), models.CheckConstraint(condition=models.Q(('threshold_alpha__lt', 100), ('threshold_beta__lt', models.F('threshold_alpha')), ('threshold_gamma__lt', models.F('threshold_beta')), ('threshold_delta__lt', models.F('threshold_gamma')), ('threshold_delta__gt', 0)), name='scoringpolicy_thresholds_descend', violation_error_message='Each threshold must be lower than the one before it, all above 0 and below 100.')],
            },
        ),
        migrations.CreateModel(
            name='CelebrityImage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('file', models.CharField(editable=False, help_text="Key in the catalogue's storage.", max_length=100, verbose_name='file')),
                ('width', models.PositiveIntegerField(editable=False, verbose_name='width')),
                ('height', models.PositiveIntegerField(editable=False, verbose_name='height')),
                ('sha256', models.CharField(editable=False, help_text='Of the stored bytes.', max_length=64, unique=True, verbose_name='SHA-256')),
                ('source', models.CharField(blank=True, help_text='Where the picture comes from: an address or a sentence.', max_length=300, verbose_name='source')),
                ('licence', models.CharField(blank=True, help_text="The licence's short name, such as CC-BY-4.0.", max_length=100, verbose_name='licence')),
                ('attribution', models.CharField(blank=True, help_text='The credit line shown with the picture.', max_length=300, verbose_name='attribution')),
                ('gallery_slot', models.PositiveIntegerField(editable=False, null=True, verbose_name='gallery slot')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='updated')),
                ('celebrity', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='images', to='catalog.celebrity', verbose_name='celebrity')),
                ('face_type', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='images', to='catalog.facetype', verbose_name='face type')),
            ],
            options={
                'verbose_name': 'image',
                'verbose_name_plural': 'images',
                'ordering': ['-pk'],
                'constraints': [models.UniqueConstraint(fields=('face_type', 'gallery_slot'), name='celebrityimage_slot_unique'), models.CheckConstraint(condition=models.Q(('gallery_slot__isnull', True), models.Q(('face_type__isnull', False), models.Q(('source', ''), _negated=True), models.Q(('licence', ''), _negated=True)), _connector='OR'), name='celebrityimage_published_complete', violation_error_message='A published image needs a face type, a source and a licence.'), models.CheckConstraint(condition=django.db.models.lookups.Exact(django.db.models.functions.text.Length('sha256'), 64), name='celebrityimage_sha256_length')],
            },
        ),
    ]
